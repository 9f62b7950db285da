"""The table and the page say what the rows say, and nothing in them can act."""

from __future__ import annotations

import dataclasses
import re

from headwater.tokens.comparison import Comparison, Row
from headwater.tokens.comparison_page import as_rows, charts, languages, markdown, page, table


def row(kind: str, size: int, share: float | None = 0.25) -> Row:
    return Row(kind, size, 1234.56, {"all": 2.5, "en": 3.0, "<b>": 2.0}, 0.0125, 0.5, share, 1.25, 3.5)


FOUND = Comparison(
    (row("bpe", 1000), row("bpe", 4000), row("word", 2000)), {"bpe 9": "a | b <script>"}, 2_500_000, {"<b>": 10, "en": 30}, 7
)


def test_the_table() -> None:
    heads, rows = table(FOUND)
    assert heads[:6] == ["kind", "vocabulary", "tokens/document", "bytes/token", "bytes/token en", "bytes/token <b>"]
    assert rows[1] == ["bpe", "4,000", "1,234.6", "2.500", "3.000", "2.000", "25.0%", "1.25%", "50.0%", "1.2", "3.50"]
    assert all(len(cells) == len(heads) for cells in rows)
    brief, cells = table(FOUND, brief=True)
    assert brief == ["kind", "size", "tokens/doc", "bytes/token", "table", "unknown", "changed"] and cells[0] == [
        "bpe",
        "1,000",
        "1,234.6",
        "2.500",
        "25.0%",
        "1.25%",
        "50.0%",
    ]


def test_without_a_model_there_is_no_share() -> None:
    bare = Comparison((row("bpe", 1000, share=None),), {}, 1, {"en": 1}, 1)
    assert "of the parameters" not in table(bare)[0] and languages(bare) == []
    assert "share of the parameters" not in "".join(charts(bare))
    assert as_rows(bare)[0]["embedding_share"] is None


def test_markdown() -> None:
    lines = markdown(FOUND).splitlines()
    assert len({line.count("|") for line in lines[:5]}) == 1
    assert "Trained on 2.50 MB; measured on 7 held-out documents" in markdown(FOUND) and lines[-1] == "- bpe 9: a | b <script>"


def test_the_page_shows_all_and_runs_nothing_of_the_data() -> None:
    made = page(FOUND, "Tokenizers for <i>x</i>")
    assert "<title>Tokenizers for &lt;i&gt;x&lt;/i&gt;</title>" in made
    assert made.count("<tr>") == 4 and "<td>4,000</td>" in made and "a | b &lt;script&gt;" in made
    assert not re.search(r"<b>|<i>x", made)
    assert "default-src 'none'" in made and not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", made.partition("<body>")[2])
    assert len(charts(FOUND)) == 5, "all, two languages, the share, the unknown"
    assert page(FOUND, "x") == page(FOUND, "x")


def test_small_shares_have_ticks_that_differ() -> None:
    """A quarter of a percent was an axis of six times 0 % once."""
    small = dataclasses.replace(FOUND, rows=[dataclasses.replace(row, unknown=0.0024 * place) for place, row in enumerate(FOUND.rows, 1)])
    chart = next(chart for chart in charts(small) if "tokens that are unknown" in chart)
    assert '"tickformat":".2~%"' in chart
