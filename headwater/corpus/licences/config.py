"""What may a recipe say about licences of code, and about code that nobody wrote by hand?

licences: {deny: [GPL-*, AGPL-*, LicenseRef-Proprietary], unknown: drop}
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headwater.core.config import Config


class Licences(Config):
    """Names are SPDX identifiers; `*` stands for anything. `A OR B` is allowed when one is, `A AND B` when both are."""

    allow: list[str] = Field(default=[])
    """Only these; empty: all that are not denied."""
    deny: list[str] = Field(default=[])
    unknown: Literal["keep", "drop"] = "keep"
    """A code file without a licence in it or above it."""
    generated: Literal["keep", "drop"] = "drop"
    """Minified and generated code, lock files."""
    vendored: Literal["keep", "drop"] = "drop"
    """Copies of other projects: node_modules, vendor, third_party …"""
    sources: list[str] | None = None
    """Sources that are code as a whole; null: files with the ending of a programming language, wherever they are."""
    similarity: float = Field(default=0.75, gt=0.5, le=1)
    """Jaccard similarity of 5-word shingles from which a text is a licence's; the nearest known neighbours are below 0.95 of each other."""
