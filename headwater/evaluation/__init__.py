"""How good is the model? Bits per byte beside an n-gram model's, tasks from held-out text, chat, verbatim copying."""
