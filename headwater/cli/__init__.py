"""The command line: one verb a thing to do, each a few lines over the room that does it."""
