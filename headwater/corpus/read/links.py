"""Which pages does a list of links name? In: rows of links and votes. Out: their pages, from the cache or (if asked to) from the web.

A link counts with enough votes (WebText: 3 karma; Radford et al. 2019, section 2.1) and once. Pages are HTML for the extraction;
their votes stay in `score`. What is passed over is counted by its reason.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from headwater.core.errors import HeadwaterError
from headwater.corpus.document import Document
from headwater.corpus.read.config import LinkSource, PathSource
from headwater.corpus.read.decode import decode, mend_surrogates
from headwater.corpus.read.fetcher import Fetched, Fetcher, NoPageError, keep, kept_page
from headwater.corpus.read.formats import FORMATS, format_of
from headwater.corpus.read.found import BadRow, Input, Row
from headwater.corpus.read.lines import TooLong, lines

LONGEST = 2000
"""Characters of a link."""


def documents_of_links(lists: Iterator[Input], source: LinkSource, bad_rows: Counter[str]) -> Iterator[Document]:
    """A document for each page that is there. Raises HeadwaterError for a list that cannot be read."""
    fetcher = Fetcher(source)
    seen: set[str] = set()
    for given in lists:
        for row in _rows(given, source):
            if isinstance(row, BadRow):
                if source.on_bad_row == "fail":
                    raise row.error
                bad_rows[f"{source.label}/{given.name}"] += 1
                continue
            try:
                url, score = _chosen(row, source, seen)
                page = _page(url, source, fetcher)
                text = decode(page.data, url, html=page.media != "text/plain")
            except NoPageError as why:
                bad_rows[f"{source.label}: {why}"] += 1
                continue
            except HeadwaterError:
                bad_rows[f"{source.label}: links to what is no text"] += 1
                continue
            yield Document(
                id=f"{source.label}/{url}", text=text, source=source.label, url=url, language=source.language, license=source.license,
                created=page.created, meta={} if score is None else {"score": score}, form="text" if page.media == "text/plain" else "html",
            )  # fmt: skip


def _rows(given: Input, source: LinkSource) -> Iterator[Row | BadRow]:
    """Rows whose text is the link."""
    reading = PathSource(path="-", text_field=source.url_field, format=source.format)
    name = format_of(given.name, reading)
    if name != "text":
        for found in FORMATS[name].read(given, reading):
            if isinstance(found, Row | BadRow):
                yield found
        return
    for _, line in lines(given.file, given.where):
        if not isinstance(line, TooLong):
            yield Row(line)


def _chosen(row: Row, source: LinkSource, seen: set[str]) -> tuple[str, float | None]:
    """`(link, votes)`. Raises NoPageError for a link that does not count."""
    score = _number(row.fields.get(source.score_field))
    if source.least_score is not None and score is None:
        raise NoPageError("links without votes")
    if source.least_score is not None and cast(float, score) < source.least_score:
        raise NoPageError(f"links with fewer than {source.least_score:g} votes")
    url = mend_surrogates(row.text.strip().partition("#")[0])
    if url in seen:
        raise NoPageError("links that were there before")
    if len(url) > LONGEST:
        raise NoPageError("links that are no addresses")
    seen.add(url)
    return url, score


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _page(url: str, source: LinkSource, fetcher: Fetcher) -> Fetched:
    page = kept_page(url)
    if page is None:
        if not source.fetch:
            raise NoPageError("links not in the cache (nothing is fetched without `fetch: true`)")
        page = fetcher.page(url)
        keep(url, page)
    return page
