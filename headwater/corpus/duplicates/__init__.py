"""Which documents say the same as another."""
