"""A finished run, drawn for people: one page of HTML, a few lines for the terminal."""
