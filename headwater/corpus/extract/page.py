"""What does a web page say? In: a batch whose `form` is text or html. Out: the batch with the pages' text in its place.

Headings, lists and code keep their lines; navigation goes. The page's title is noted in `meta`. Attribute: `empty`, 1 for
a document without any text (also one that was no page).
"""

from __future__ import annotations

import html
import json
import re

import pyarrow as pa

from headwater.corpus.document import texts_of, with_column, with_score, with_texts
from headwater.corpus.extract.config import Extract

DEPTH = 2000
"""Open elements within each other: real pages have under 100; the parser's time grows with the square."""
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)[^>]*>")
UNPAIRED = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
    | {"dd", "dt", "li", "option", "p", "tbody", "td", "tfoot", "th", "thead", "tr"}
)
"""Elements without an end tag, or whose end tag may be left out; they do not nest in themselves."""


def extract(batch: pa.RecordBatch, config: Extract) -> pa.RecordBatch:
    texts = texts_of(batch)
    metas: list[str] = batch.column("meta").to_pylist()
    for index, form in enumerate(batch.column("form").to_pylist()):
        if form == "html":
            title, texts[index] = page_text(texts[index], config)
            metas[index] = json.dumps({**json.loads(metas[index]), "title": title}, ensure_ascii=False, sort_keys=True)
    batch = with_column(with_texts(batch, texts), "meta", metas)
    return with_score(batch, "empty", [float(not text.strip()) for text in texts])


def page_text(page: str, config: Extract) -> tuple[str, str]:
    """`(title, text)` of a page; both may be empty. A page nested beyond reason gives its text without its tags."""
    if depth_of(page) > DEPTH:
        return "", html.unescape(TAG.sub("\n", page)).strip()
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    # The parser is a C library: NULs end its strings early.
    tree = HTMLTree.parse(page.replace("\0", "\N{REPLACEMENT CHARACTER}"))
    text = extract_plain_text(tree, preserve_formatting=True, main_content=config.main_content, list_bullets=True, alt_texts=False,
                              links=False, form_fields=False, noscript=False, skip_elements=config.skip)  # fmt: skip
    return (tree.title or "").strip(), text


def depth_of(page: str) -> int:
    """Most elements open at once, as far as tags tell; unclosed ones count until the end."""
    deepest = depth = 0
    for end, name in TAG.findall(page):
        if name.lower() not in UNPAIRED:
            depth = max(0, depth - 1) if end else depth + 1
            deepest = max(deepest, depth)
    return deepest
