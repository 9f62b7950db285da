"""Text told from text by a model trained in the recipe: quality against raw, topic against topic."""
