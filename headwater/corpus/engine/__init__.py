"""Where the work of the corpus stages is done: worker processes here, or a Ray cluster."""
