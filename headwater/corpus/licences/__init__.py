"""May a file be learned from? Licences of code, and what was not written by hand."""
