"""headwater/corpus/read/markdown.py: front matter becomes fields; what only looks like it stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headwater.corpus.document import Document

Documents = Callable[..., list[Document]]


BODY = "# Title\n\n- item\n\n---\n\nmore\n"


@pytest.mark.parametrize(
    ("front", "fields"),
    [
        ("---\ntitle: A tale\ntags: [a, b]\nyear: 1911\n---\n", {"title": "A tale", "tags": ["a", "b"], "year": "1911"}),
        ('+++\ntitle = "A tale"\nweight = 3\n+++\n', {"title": "A tale", "weight": 3}),
        ("---\r\ntitle: 三国\r\n...\r\n", {"title": "三国"}),
    ],
)
def test_front_matter(documents: Documents, front: str, fields: dict[str, object]) -> None:
    (found,) = documents("a.md", front + BODY)
    assert (found.text, found.meta, found.id) == (BODY, fields, "s/a.md")


def test_its_known_fields_are_the_documents(documents: Documents) -> None:
    (found,) = documents("a.md", "---\ndate: 2024-01-02\nlicense: CC0\nlanguage: fr\nurl: http://a\n---\nx")
    assert (found.created, found.license, found.language, found.url, found.meta) == ("2024-01-02", "CC0", "fr", "http://a", {})


@pytest.mark.parametrize(
    "text", [BODY, "---\nno end\n", "---\n- a list\n---\nx", "---\n{: broken\n---\nx", "--- \nA line\n---\nB\n", "---\n" + "[" * 90_000]
)
def test_what_is_no_front_matter_stays(documents: Documents, text: str) -> None:
    assert [found.text for found in documents("a.md", text)] == [text]


def test_packs_of_lines_and_chapters(documents: Documents) -> None:
    assert [found.text for found in documents("a.md", "1\n2\n3\n", join=2)] == ["1\n2", "3"]
    assert [found.id for found in documents("a.md", "# A\nx\n# B\ny\n", divide="^# ")] == ["s/a.md#1", "s/a.md#2"]
