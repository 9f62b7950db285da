"""Packaging a trained model for others, its model card, and the report of how it came to be."""
