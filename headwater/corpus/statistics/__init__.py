"""What is in a corpus: figures of the documents, for people to look at before a model does."""
