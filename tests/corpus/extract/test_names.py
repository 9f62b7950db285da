"""headwater/corpus/extract/names.py: the tables that compiled code looks names up in."""

from __future__ import annotations

import numpy as np

from headwater.corpus.extract.attributes import kinds_of, lookup
from headwater.corpus.extract.names import KIND_BIT, KINDS, SIZE, TAGS, hash_of, tag_table, word_table


def kinds(value: str) -> set[str]:
    data = np.frombuffer(value.encode(), np.uint8)
    found = kinds_of(data, 0, len(data), *word_table())
    return {kind for kind, bit in KIND_BIT.items() if found >> bit & 1}


def test_every_tag_is_found_and_no_other() -> None:
    for tag, (number, role) in TAGS.items():
        assert lookup(hash_of(tag), *tag_table()) == number * 32 + role
    assert lookup(hash_of("x-widget"), *tag_table()) == 0
    assert len({number for number, _ in TAGS.values()}) == len(TAGS)


def test_tables_are_sparse() -> None:
    for keys, _ in (tag_table(), word_table()):
        assert np.count_nonzero(keys) < SIZE / 2


def test_words_in_names() -> None:
    assert {"content", "body"} <= kinds("entry-content")
    assert kinds("entry-content") == kinds("entryContent") == kinds("entry_content ")
    assert "body" in kinds("articleBody")
    assert "body" not in kinds("entry content")
    assert kinds("COMMENT_list") == kinds("comment-list")
    assert "comment" in kinds("site-comments-2")
    assert kinds("x9 zzz") == set()
    assert kinds("评论") == {"comment"}


def test_all_words_are_found() -> None:
    for kind, words in KINDS.items():
        for word in words.split():
            assert kind in kinds(word) or "-" in word
