"""How much of each source goes into the corpus, and which of its documents."""
