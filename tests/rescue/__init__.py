"""Old remote code on every release: real repositories are built, mended and put to work; `table` is the entry."""
