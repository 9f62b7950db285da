"""What does a small piece of HTML say, that is part of something else (a chapter of a book, a mail)? In: markup. Out: text.

Whole web pages go another way: they stay HTML until the extraction, which knows what of a page is worth keeping.
"""

from __future__ import annotations

import html
import re

TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)[^<>]*>")
DEPTH = 2000
"""Elements within each other; the parser's time grows with their square."""


def text_of(markup: str) -> str:
    """Headings, paragraphs and lists keep their lines."""
    if _depth(markup) > DEPTH:
        return html.unescape(TAG.sub("\n", markup)).strip()
    from resiliparse.extract.html2text import extract_plain_text

    text: str = extract_plain_text(markup.replace("\0", "\N{REPLACEMENT CHARACTER}"), preserve_formatting=True, main_content=False,
                                   list_bullets=True, alt_texts=False, links=False, form_fields=False, noscript=False)  # fmt: skip
    return text.strip()


def _depth(markup: str) -> int:
    depth = deepest = 0
    for end, _ in TAG.findall(markup):
        depth = max(0, depth - 1) if end else depth + 1
        deepest = max(deepest, depth)
    return deepest
