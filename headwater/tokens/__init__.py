"""Text to numbers: tokenizers, chat templates, packed shards, reading order, masks, and the Batch that every model eats."""
