"""Text to one normal form."""
