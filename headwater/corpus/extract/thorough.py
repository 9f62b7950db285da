"""What does trafilatura make of a page? In: a page's HTML. Out: its main text as Markdown. The quality tier; an optional extra.

Barbaresi, "Trafilatura: A Web Scraping Library and Command-Line Tool for Text Discovery and Extraction" (ACL 2021).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from headwater.core.errors import HeadwaterError
from headwater.corpus.extract.config import Extract


def thorough_text(config: Extract) -> Callable[[str], str]:
    """The function from page to text. Raises HeadwaterError if trafilatura cannot be loaded."""
    try:
        from trafilatura import extract
    except ImportError as error:
        what = f"the quality tier needs trafilatura, which cannot be loaded ({str(error).splitlines()[0]})"
        raise HeadwaterError(
            what, where="extract.tier", mend="pip install 'headwater[trafilatura]' lxml_html_clean, or take `tier: fast`"
        ) from error
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # it reports pages without text, which the attribute `empty` says

    def text_of(page: str) -> str:
        found = extract(
            page,
            output_format="markdown",
            include_comments=config.comments,
            include_tables=config.tables,
            include_formatting=True,
            prune_xpath=None,
            deduplicate=False,
        )
        return found or ""

    return text_of
