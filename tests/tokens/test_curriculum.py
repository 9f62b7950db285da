"""Orders of reading: with replacement, as it stands, easy first, weighted sources; each a function of the index, with its counts exact."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.tokens.curriculum import BLOCK, Easing, Mixed, Rearranged, difficulty, open_order, shares_of
from headwater.tokens.order_config import AsItStands, Drawn, EasyFirst, Shuffled, Weighted
from headwater.tokens.reading import Windows
from headwater.tokens.shards import INDEX, Shards

LENGTH = 8


def shards(lengths: list[int], sources: list[str] | None = None, tokens: np.ndarray[Any, Any] | None = None) -> Shards:
    """Documents of these lengths; unless given, every token is its place in the stream."""
    starts = np.cumsum([0, *lengths[:-1]])
    rows: dict[str, Any] = {
        "id": [f"d{n}" for n in range(len(lengths))], "source": sources or ["s"] * len(lengths), "language": ["en"] * len(lengths),
        "start": starts, "length": lengths, "bytes": lengths,
    }  # fmt: skip
    total = sum(lengths)
    return Shards(np.arange(total, dtype=np.uint32) if tokens is None else tokens, pa.table(rows, schema=INDEX), starts, total)


def test_rearranged_documents_are_a_stream_of_their_own() -> None:
    text = Rearranged(shards([3, 4, 2, 5]), np.array([2, 0, 3]))
    whole = [7, 8, 0, 1, 2, 9, 10, 11, 12, 13]
    assert len(text) == 10
    for start in range(10):
        for stop in range(start + 1, 11):
            assert text[start:stop].tolist() == whole[start:stop]
    assert text.documents_between(0, 2) == ["d2"]
    assert text.documents_between(1, 6) == ["d2", "d0", "d3"]
    assert text.documents_between(2, 5) == ["d0"]


def test_drawn_rows_begin_anywhere_and_leave_a_share_of_one_in_e() -> None:
    some = shards([50] * 40)
    windows = open_order(Drawn(), some, LENGTH, seed=1)
    assert isinstance(windows, Windows)
    starts = [windows.start(index) for index in range(20_000)]
    assert min(starts) == 0 and max(starts) == len(some) - LENGTH - 1, "the last token is a target too"
    counts = np.bincount(starts, minlength=len(some) - LENGTH)
    assert counts.std() == pytest.approx(math.sqrt(counts.mean()), rel=0.1), "as a Poisson's"
    epoch = {start // LENGTH for start in starts[: len(some) // LENGTH]}
    assert 1 - len(epoch) / (len(some) // LENGTH) == pytest.approx(1 / math.e, abs=0.1)


def test_as_it_stands_reads_the_corpus_in_its_order() -> None:
    windows = open_order(AsItStands(), shards([10] * 10), LENGTH, seed=1)
    assert [int(windows.window(index)[0]) for index in range(13)] == [8 * (index % 12) for index in range(13)]


def test_the_default_is_what_it_was() -> None:
    some = shards([10] * 30)
    plain, asked = Windows(some, LENGTH, 5), open_order(Shuffled(), some, LENGTH, 5)
    assert all(np.array_equal(plain.window(index), asked.window(index)) for index in range(100))


def test_easy_first_is_easy_first() -> None:
    """Documents of 10 … 109 tokens in random order: the first rows are of short ones, the reach grows as the paper's equation says."""
    lengths = np.random.default_rng(0).permutation(np.arange(10, 110)).tolist()
    some = shards(lengths)
    easing = open_order(EasyFirst(first=0.1, over=8000), some, LENGTH, seed=2)
    assert isinstance(easing, Easing)
    assert easing.eased == 1000
    assert [round(easing.competence(index), 3) for index in (0, 250, 500, 1000)] == [0.1, 0.507, 0.711, 1.0]
    of = {f"d{n}": length for n, length in enumerate(lengths)}
    means = [
        np.mean([of[id] for index in range(first, first + 250) for id in easing.documents_of(index, 0, LENGTH)])
        for first in (0, 250, 500, 750)
    ]
    assert means == sorted(means)
    assert max(of[id] for index in range(20) for id in easing.documents_of(index, 0, LENGTH)) < 65
    plain = Windows(some, LENGTH, 2)
    assert all(np.array_equal(easing.window(1000 + index), plain.window(index)) for index in range(50)), "then shuffled"


def test_rare_words_are_hard() -> None:
    tokens = np.array([1] * 10 + [2] * 4 + [1, 1, 2, 3], np.uint32)
    hard = difficulty(shards([10, 4, 4], tokens=tokens), "rarity")
    share = {1: 12 / 18, 2: 5 / 18, 3: 1 / 18}
    assert hard.tolist() == pytest.approx(
        [-math.log(share[1]), -math.log(share[2]), -(2 * math.log(share[1]) + math.log(share[2]) + math.log(share[3])) / 4]
    )


def weighted(*shares: dict[str, Any]) -> Weighted:
    return validate(Weighted, {"kind": "weighted", "shares": list(shares)})


def test_weights_are_kept_to_the_row_and_change_where_they_should() -> None:
    some = shards([40] * 300, ["easy", "hard", "web"] * 100)
    mixed = open_order(
        weighted({"weights": {"easy": 3, "web": 1}, "until": 2 * BLOCK * LENGTH}, {"weights": {"hard": 1, "easy": 1}}), some, LENGTH, seed=4
    )
    assert isinstance(mixed, Mixed)
    read = [mixed.at(index) for index in range(4 * BLOCK)]
    for block, expected in enumerate([{"easy": 384, "web": 128}] * 2 + [{"easy": 256, "hard": 256}] * 2):
        assert Counter(mixed.names[source] for source, _ in read[block * BLOCK : (block + 1) * BLOCK]) == expected
    for source in range(3):
        assert [place for found, place in read if found == source] == list(range(sum(found == source for found, _ in read)))
    for index in range(0, 4 * BLOCK, 37):
        name = mixed.names[mixed.at(index)[0]]
        assert {["easy", "hard", "web"][int(id[1:]) % 3] for id in mixed.documents_of(index, 0, LENGTH + 1)} == {name}
    again = open_order(
        weighted({"weights": {"easy": 3, "web": 1}, "until": 2 * BLOCK * LENGTH}, {"weights": {"hard": 1, "easy": 1}}), some, LENGTH, seed=4
    )
    assert np.array_equal(again.window(1500), mixed.window(1500)), "without the rows before it"


def test_a_stage_may_end_inside_a_block() -> None:
    some = shards([40] * 300, ["a", "b"] * 150)
    mixed = open_order(weighted({"weights": {"a": 1, "b": 2}, "until": 700 * LENGTH}, {"weights": {"b": 1}}), some, LENGTH, seed=4)
    assert isinstance(mixed, Mixed)
    read = [mixed.at(index) for index in range(1400)]
    assert all(source == 1 for source, _ in read[700:])
    assert [place for source, place in read if source == 1] == list(range(sum(source for source, _ in read)))


@pytest.mark.parametrize(
    ("weights", "rows"), [({"a": 1}, [512, 0]), ({"a": 1, "b": 1e-9}, [511, 1]), ({"a": 1, "b": 2}, [171, 341]), ({"b": 0.1}, [0, 512])]
)
def test_shares_are_whole_rows(weights: dict[str, float], rows: list[int]) -> None:
    assert shares_of(weights, ["a", "b"]) == rows


def test_what_is_not_there_is_a_sentence() -> None:
    some = shards([40] * 10 + [3], ["books"] * 10 + ["tiny"])
    with pytest.raises(HeadwaterError, match="no source 'book'") as caught:
        open_order(weighted({"weights": {"book": 1}}), some, LENGTH, 0)
    assert "did you mean 'books'?" in str(caught.value)
    with pytest.raises(HeadwaterError, match="'tiny' has 3 tokens, fewer than the 9 of one row"):
        open_order(weighted({"weights": {"tiny": 1}}), some, LENGTH, 0)
