"""What may a recipe say about the normal form of text?"""

from __future__ import annotations

from headwater.core.config import Config


class Normalise(Config):
    """Encoding repair; NFC, newlines, control and zero-width characters and trailing spaces are always seen to."""

    repair: bool = True
    """Undo text decoded with the wrong encoding (`cafÃ©`), where it shows signs of that."""
