"""Headwater (源头) grows a language model from raw text."""

__version__ = "0.1.0"
