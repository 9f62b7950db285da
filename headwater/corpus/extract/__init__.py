"""Web pages to the text that somebody would read."""
