"""Raw pages, books and dialogues in; clean, deduplicated documents out, split into train and validation.

Read in this order: config, source (package, open), read, document, the steps (extract, normalise, language, quality),
select, duplicates (minhash), split, stage.
"""
