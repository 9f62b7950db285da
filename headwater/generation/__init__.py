"""Text out of a network: how a token is chosen, how many rows are decoded together, how tokens become printable text."""
