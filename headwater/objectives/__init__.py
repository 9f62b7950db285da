"""What is learned from a sequence: each objective turns rows of tokens into a Batch."""
