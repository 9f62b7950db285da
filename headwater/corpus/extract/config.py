"""What may a recipe say about the extraction of pages?"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headwater.core.config import Config
from headwater.corpus.quality.config import Bounds


class PageKinds(Config):
    """Pages that say nothing: how sure we may be, from 0 to 1, that a page is of the kind before it is left out."""

    broken: Bounds = Bounds(max=0.5)
    """An error page: not found, forbidden, no longer there."""
    placeholder: Bounds = Bounds(max=0.5)
    """Under construction, a server's or theme's default page, lorem ipsum."""
    login: Bounds = Bounds(max=0.5)
    """A form to log in and little else."""
    parked: Bounds = Bounds(max=0.5)
    """A domain that is for sale or has expired."""
    adverts: Bounds = Bounds()
    """More places for adverts than text: 10 of them weigh as much as 1,000 letters. No bound: newspapers live by adverts (a bound of
    0.5 would take one in eight of trafilatura's evaluation pages, good articles among them)."""


class Extract(Config):
    """From an HTML page to the text that somebody would read, as Markdown."""

    tier: Literal["fast", "quality"] = "fast"
    """`fast`: headwater's own blocks and forests; `quality`: trafilatura (`pip install headwater[trafilatura]`), ten times slower and, by
    `benchmarks/corpus_extract.py`, not better on its own evaluation pages: for those who want what others have."""
    main_content: bool = True
    """Leave out navigation, headers, footers, cookie banners, lists of other articles."""
    skip: list[str] = Field(default=[])
    """CSS selectors of elements that are left out besides."""
    comments: bool = False
    """Keep what readers wrote below."""
    tables: bool = True
    """Keep tables of data, as Markdown."""
    code: bool = True
    """Keep preformatted text, fenced."""
    lists: bool = True
    """Mark the items of lists with `-` or their number; false writes them as paragraphs."""
    pages: PageKinds = PageKinds()
    """Which pages are left out for what they are."""
