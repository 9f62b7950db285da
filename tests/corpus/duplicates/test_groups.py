"""headwater/corpus/duplicates.py: planted copies of a similarity known by construction are found, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.corpus.duplicates.config import Near
from headwater.corpus.duplicates.groups import Groups, Twin, digest, exact_duplicates, near_duplicates
from headwater.corpus.duplicates.minhash import band_keys

NEAR = Near()
SIGNS = [chr(code) for code in range(0x4E00, 0x9FA0)]


def twins_of(texts: list[str], ids: list[str] | None = None, config: Near = NEAR) -> dict[int, Twin]:
    keys = band_keys(texts, config.shingle, config.bands, config.rows)
    return near_duplicates(
        keys, [len(text.encode()) for text in texts], ids or [f"{n:05d}" for n in range(len(texts))], texts.__getitem__, config
    )


def planted(count: int, replaced: int, length: int = 800, seed: int = 0) -> tuple[list[str], float]:
    """Pairs of texts without a repeated character, the second with its last `replaced` characters new.

    Every 5-shingle of such a text is unique, so of `length - 4` shingles exactly `replaced` differ: the similarity is a
    closed form, found without shingling anything.
    """
    draw = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        signs = [SIGNS[place] for place in draw.permutation(len(SIGNS))[: length + replaced]]
        texts += ["".join(signs[:length]), "".join(signs[: length - replaced] + signs[length:])]
    same = length - 4 - replaced
    return texts, same / (length - 4 + replaced)


@pytest.mark.parametrize("replaced", [4, 40, 80])
def test_planted_pairs_are_found_with_their_similarity(replaced: int) -> None:
    texts, similarity = planted(100, replaced)
    assert similarity >= 0.8
    found = twins_of(texts)
    assert sorted(found) == list(range(1, 200, 2))
    for place, twin in found.items():
        assert twin.kept == place - 1
        assert twin.similarity == pytest.approx(similarity, abs=1e-12)


@pytest.mark.parametrize("replaced", [100, 400])
def test_pairs_below_the_threshold_are_never_merged(replaced: int) -> None:
    texts, similarity = planted(100, replaced)
    assert similarity < 0.8
    assert twins_of(texts) == {}


def test_the_longest_stays_then_the_least_id() -> None:
    (first, second), _ = planted(1, 10)
    assert twins_of([first, second], ["b", "a"])[0].kept == 1
    assert twins_of([first, second + "尾"], ["a", "b"])[0].kept == 1
    assert twins_of([first + "尾", second], ["b", "a"])[1].kept == 0


def test_the_order_of_documents_decides_nothing() -> None:
    texts, _ = planted(20, 30)
    ids = [f"id-{n}" for n in range(len(texts))]
    expected = {ids[place]: ids[twin.kept] for place, twin in twins_of(texts, ids).items()}
    order = np.random.default_rng(1).permutation(len(texts)).tolist()
    shuffled_ids = [ids[place] for place in order]
    found = twins_of([texts[place] for place in order], shuffled_ids)
    assert {shuffled_ids[place]: shuffled_ids[twin.kept] for place, twin in found.items()} == expected


def test_a_great_many_copies_cost_as_many_comparisons_as_copies() -> None:
    (text, _), _ = planted(1, 10)
    read: list[int] = []

    def text_at(place: int) -> str:
        read.append(place)
        return text

    count = 3000
    keys = np.repeat(band_keys([text], NEAR.shingle, NEAR.bands, NEAR.rows), count, axis=0)
    found = near_duplicates(keys, [len(text)] * count, [f"{n:05d}" for n in range(count)], text_at, NEAR)
    assert len(found) == count - 1
    assert len(read) <= count + count // 100


def test_short_texts_and_none() -> None:
    assert twins_of([]) == {}
    assert twins_of(["天"]) == {}
    assert sorted(twins_of(["天地", "天地 ", "玄黄"])) == [0]


def test_exact_duplicates() -> None:
    digests = [digest(text) for text in ("x", "y", "x", "x")]
    assert exact_duplicates(digests, ["c", "b", "a", "d"]) == {0: Twin(2, 1.0), 3: Twin(2, 1.0)}


@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=25))
def test_groups_are_connected_components(pairs: list[tuple[int, int]]) -> None:
    groups = Groups(15)
    for a, b in pairs:
        groups.join(a, b)
    reached = {place: {place} for place in range(15)}
    for _ in range(15):
        for a, b in pairs:
            union = reached[a] | reached[b]
            for place in union:
                reached[place] = reached[place] | union
    for a in range(15):
        for b in range(15):
            assert (groups.root(a) == groups.root(b)) == (b in reached[a])
