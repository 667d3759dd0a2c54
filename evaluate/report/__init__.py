"""An evaluation, or a comparison of several, as text, JSON, Markdown and HTML."""

FORMATS = ("text", "json", "markdown", "html")
