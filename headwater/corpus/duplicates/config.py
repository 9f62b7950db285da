"""What may a recipe say about duplicates?"""

from __future__ import annotations

from pydantic import Field

from headwater.core.config import Config


class Near(Config):
    """Near duplicates: MinHash bands propose (Broder 1997), the true Jaccard similarity decides."""

    threshold: float = Field(default=0.8, gt=0, le=1)
    """Jaccard similarity of the sets of shingles, from which two documents are the same."""
    shingle: int = Field(default=5, ge=1, le=64)
    """Characters of a shingle."""
    bands: int = Field(default=24, ge=1, le=256)
    rows: int = Field(default=6, ge=1, le=64)
    """A pair of similarity s is proposed with probability 1 - (1 - s**rows)**bands: 0.9993 at 0.8, 0.02 at 0.3."""


class Duplicates(Config):
    exact: bool = True
    near: Near | None = Near()
