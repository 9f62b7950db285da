"""What may a recipe say about the extraction of pages?"""

from __future__ import annotations

from pydantic import Field

from headwater.core.config import Config


class Extract(Config):
    """From an HTML page to the text that somebody would read."""

    main_content: bool = True
    """Leave out navigation, headers, footers and comments."""
    skip: list[str] = Field(default=["nav", "[role=navigation]", "[aria-hidden=true]"])
    """CSS selectors of elements that are left out besides."""
