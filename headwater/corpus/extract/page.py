"""What does a web page say? In: a batch whose `form` is text or html. Out: the batch with the pages' main text, as Markdown, in its place.

A page is parsed once (lexbor, HTML5), written out in normal form and read by three compiled passes: blocks of text (scan), measures of
them (features), how likely each is something to read (forest). The page's title is noted in `meta`. Attributes: `empty`, 1 for a
document without any text (also one that was no page), and `page.<kind>` for kinds of pages that say nothing (0 for no page).
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.document import Step, buffers_of, with_column, with_score, with_texts
from headwater.corpus.extract.attributes import SKIPPED
from headwater.corpus.extract.blocks import CHARS, ELEMENT, LINK_CHARS, WIDE
from headwater.corpus.extract.config import Extract
from headwater.corpus.extract.features import BAD
from headwater.corpus.extract.forest import forests, probabilities
from headwater.corpus.extract.guard import prepared, without_tags
from headwater.corpus.extract.kinds import KINDS, scores_of
from headwater.corpus.extract.names import KIND_BIT
from headwater.corpus.extract.scan import Scanned, scan
from headwater.corpus.extract.whole import kept_blocks
from headwater.corpus.extract.write import markdown

FEW = 200
"""Letters of main text below which a page's JSON-LD is looked at, too."""
BODY = re.compile(r'"articleBody"\s*:\s*("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class Read:
    """What a page says: its title, its main text, and scores of its kinds."""

    title: str
    text: str
    scores: dict[str, float]


def extractor(config: Extract, report: Reporter | None = None) -> Step:
    """The step. Raises HeadwaterError for a selector that is none, or a quality tier that is not installed."""
    read = _reader_of_bytes(config)

    def step(batch: pa.RecordBatch) -> pa.RecordBatch:
        column, (data, starts) = batch.column("text"), buffers_of(batch)
        texts: list[str] = []
        metas: list[str] = batch.column("meta").to_pylist()
        scores = {kind: np.zeros(batch.num_rows) for kind in KINDS}
        for index, form in enumerate(batch.column("form").to_pylist()):
            if form != "html":
                texts.append(column[index].as_py())
            else:  # straight from Arrow's memory: a page is twenty times its text
                page = read(data[starts[index] : starts[index + 1]])
                texts.append(page.text)
                metas[index] = json.dumps({**json.loads(metas[index]), "title": page.title}, ensure_ascii=False, sort_keys=True)
                for kind, score in page.scores.items():
                    scores[kind][index] = score
        batch = with_column(with_texts(batch, texts), "meta", metas)
        batch = with_score(batch, "empty", [float(not text.strip()) for text in texts])
        for kind in KINDS:
            batch = with_score(batch, f"page.{kind}", scores[kind])
        return batch

    return step


def page_text(page: str, config: Extract) -> tuple[str, str]:
    """`(title, text)` of a page; both may be empty."""
    read = reader(config)(page)
    return read.title, read.text


def reader(config: Extract) -> Callable[[str], Read]:
    """The function that reads one page."""
    read = _reader_of_bytes(config)
    return lambda page: read(np.frombuffer(page.encode("utf-8", "replace"), np.uint8))


def _reader_of_bytes(config: Extract) -> Callable[[np.ndarray], Read]:
    """The same of a page as UTF-8, uint8 [bytes]."""
    selector = ", ".join(config.skip)
    _check(config.skip)
    thorough = None
    if config.tier == "quality":
        from headwater.corpus.extract.thorough import thorough_text

        thorough = thorough_text(config)

    def read(data: np.ndarray) -> Read:
        markup = prepared(data, lean=not selector)
        if markup is None:
            return Read("", without_tags(data), dict.fromkeys(KINDS, 0.0))
        scanned = parsed(markup, selector)
        title = title_of(scanned)
        keep = kept(scanned, config)
        letters = letters_in(scanned, keep)
        text = thorough(_decoded(data)) if thorough is not None else markdown(scanned, keep, config)
        if letters < FEW and config.main_content and thorough is None:
            text, letters = _article_body(_decoded(data), text, letters)
        return Read(title, text, scores_of(scanned, title, text, letters))

    return read


def parsed(page: bytes, selector: str = "") -> Scanned:
    """A page's blocks; elements that the selector matches hold none."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(page)
    if selector:
        for node in tree.css(selector):
            node.attrs[SKIPPED] = "1"
    return scan((tree.html or "").encode("utf-8", "replace"))


def kept(page: Scanned, config: Extract) -> np.ndarray:
    """bool [B]: the blocks that belong to what somebody would read; of a page without an article, what is no link and nothing known."""
    if not config.main_content:
        return np.ones(len(page.blocks), bool)
    keep = kept_blocks(page, probabilities(page), forests()[2])
    links = page.blocks[:, LINK_CHARS] / np.maximum(1, page.blocks[:, CHARS])
    if not keep.any():
        keep = (links < 0.5) & (page.kinds[page.blocks[:, ELEMENT], 1] & BAD == 0)
    if config.comments:
        of_comments = (page.kinds[page.blocks[:, ELEMENT], 1] >> KIND_BIT["comment"]) & 1 == 1
        keep |= of_comments & (links < 0.5) & (page.blocks[:, CHARS] + 2 * page.blocks[:, WIDE] >= 30)
    return keep


def _decoded(data: np.ndarray) -> str:
    return data.tobytes().decode("utf-8", "replace")


def letters_in(page: Scanned, keep: np.ndarray) -> int:
    """Letters of the kept blocks; a Chinese character counts as three."""
    return int((page.blocks[keep, CHARS] + 2 * page.blocks[keep, WIDE]).sum())


def title_of(page: Scanned) -> str:
    return " ".join(html.unescape(page.title).split())


def _article_body(page: str, text: str, letters: int) -> tuple[str, int]:
    """Pages that scripts build may carry their article in JSON-LD (schema.org, `articleBody`); it is taken if it says more."""
    for found in BODY.finditer(page):
        try:
            body = json.loads(found.group(1), strict=False)
        except json.JSONDecodeError:
            continue
        body = without_tags(html.unescape(body).encode("utf-8", "replace"))
        if len(body) > max(2 * letters, FEW):
            return body, len(body)
    return text, letters


def _check(selectors: list[str]) -> None:
    from selectolax.lexbor import LexborHTMLParser, SelectolaxError

    tree = LexborHTMLParser("<p></p>")
    for selector in selectors:
        try:
            tree.css(selector)
        except SelectolaxError as error:
            raise HeadwaterError(
                f"'{selector}' is no CSS selector", where="extract.skip", mend="write it like `nav`, `.menu` or `[role=navigation]`"
            ) from error
