"""More documents from those that are there: other words, noise, back-translation, paraphrase."""
