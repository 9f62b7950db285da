"""What can be told of a text by counting."""
