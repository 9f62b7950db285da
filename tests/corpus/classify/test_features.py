"""headwater/corpus/classify/features.py: against the same idea in Python strings and a Counter."""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np
import pytest

from headwater.corpus.classify.config import Features
from headwater.corpus.classify.features import Rows, features, joined
from headwater.corpus.document import Document, batch_of, buffers_of

TOKEN = re.compile(r"[\u4e00-\u9fff\u3040-\u30ff]|[^\W\u4e00-\u9fff\u3040-\u30ff_]+|[^\w\s]|_")
CHARACTER = re.compile(r"[\u4e00-\u9fff\u3040-\u30ff]")


def rows_of(*texts: str, mean: bool = False, **config: int) -> Rows:
    batch = batch_of([Document(str(n), text, "s") for n, text in enumerate(texts)])
    return features(*buffers_of(batch), Features(bits=22, **config), mean)


def grams(text: str, words: int = 2, characters: int = 3) -> Counter[tuple[str, ...]]:
    tokens = TOKEN.findall(text.lower())
    found: Counter[tuple[str, ...]] = Counter()
    for end in range(len(tokens)):
        kind = bool(CHARACTER.match(tokens[end]))
        for length in range(1, (characters if kind else words) + 1):
            gram = tokens[end - length + 1 : end + 1] if end + 1 >= length else []
            if gram and all(bool(CHARACTER.match(token)) == kind for token in gram):
                found[tuple(gram)] += 1
    return found


TEXTS = [
    "The river and the River.",
    "话说天下大势，分久必合",
    "用 Python 3 写 code，Ünïcode!",
    "",
    "a",
    "吾輩は猫である。猫である。",
    "x_y don't -- 😀 😀",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(("words", "characters"), [(1, 1), (2, 3), (3, 2)])
def test_counts_are_those_of_ngrams(text: str, words: int, characters: int) -> None:
    found = grams(text, words, characters)
    rows = rows_of("before it", text, words=words, characters=characters)
    own = rows.values[rows.starts[1] : rows.starts[2]]
    norm = math.sqrt(sum((1 + math.log(count)) ** 2 for count in found.values()))
    assert sorted(own.tolist()) == pytest.approx(sorted((1 + math.log(count)) / norm for count in found.values()))
    shares = rows_of(text, mean=True, words=words, characters=characters).values
    assert sorted(shares.tolist()) == pytest.approx(sorted(count / found.total() for count in found.values()))


def test_equal_ngrams_share_a_bucket_and_others_do_not() -> None:
    rows = rows_of("THE river", "river the", "the river", words=2)
    sets = [set(rows.buckets[start:end].tolist()) for start, end in zip(rows.starts[:-1], rows.starts[1:], strict=True)]
    assert sets[0] == sets[2]
    assert len(sets[0] & sets[1]) == 2 and len(sets[0] | sets[1]) == 4


def test_the_limit_counts_tokens() -> None:
    assert len(rows_of("a b c d e f g h i j k l m n", words=1, limit=10).buckets) == 10
    assert len(rows_of("甲乙丙丁戊己庚辛壬癸子丑", characters=1, limit=10).buckets) == 10


def test_rows_can_be_taken_and_joined() -> None:
    rows = rows_of(*TEXTS)
    order = np.asarray([5, 0, 3, 2])
    taken = rows.take(order)
    for place, row in enumerate(order):
        mine = slice(taken.starts[place], taken.starts[place + 1])
        theirs = slice(rows.starts[row], rows.starts[row + 1])
        assert (taken.buckets[mine] == rows.buckets[theirs]).all() and (taken.values[mine] == rows.values[theirs]).all()
    both = joined([rows_of(*TEXTS[:2]), rows_of(*TEXTS[2:])])
    assert (both.starts == rows.starts).all() and (both.buckets == rows.buckets).all()
    assert len(joined([])) == 0
