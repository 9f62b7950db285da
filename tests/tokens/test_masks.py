"""Dense masks against the rule itself, applied to one pair of places at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch

from headwater.tokens.masks import Mask, Places, causal, documents, full, prefix, strided, window

# (place of query, of key, document of query, of key, whether the key is given) -> may look
Rule = Callable[[int, int, int, int, bool], bool]

RULES: list[tuple[Mask, Rule]] = [
    (full(), lambda q, k, a, b, g: True),
    (causal(), lambda q, k, a, b, g: k <= q),
    (documents(), lambda q, k, a, b, g: a == b),
    (causal() & documents(), lambda q, k, a, b, g: k <= q and a == b),
    (causal() | documents(), lambda q, k, a, b, g: k <= q or a == b),
    (full() & causal(), lambda q, k, a, b, g: k <= q),
    (full() | causal(), lambda q, k, a, b, g: True),
    (causal() & (documents() | full()), lambda q, k, a, b, g: k <= q),
    ((causal() & documents()) | documents(), lambda q, k, a, b, g: a == b),
    (prefix(), lambda q, k, a, b, g: g),
    ((causal() | prefix()) & documents(), lambda q, k, a, b, g: (k <= q or g) and a == b),
    (window(3), lambda q, k, a, b, g: abs(q - k) < 3),
    (causal() & window(1), lambda q, k, a, b, g: q == k),
    (strided(4), lambda q, k, a, b, g: (q - k) % 4 == 0),
    (causal() & (window(2) | strided(3)), lambda q, k, a, b, g: k <= q and (q - k < 2 or (q - k) % 3 == 0)),
]


def places(queries: int, keys: int, cached: bool) -> Places:
    """Two rows of packed documents (one comes again later); with `cached` the queries are the last of the keys."""
    generator = torch.Generator().manual_seed(0)
    key_segments = torch.randint(0, 3, (2, keys), generator=generator).sort(1).values
    key_segments[1, -1] = 0
    key = torch.arange(keys).expand(2, -1)
    query, query_segments = (key[:, -queries:], key_segments[:, -queries:]) if cached else (key[:, :queries], key_segments[:, :queries])
    return Places(query, key, query_segments, key_segments, torch.rand(2, keys, generator=generator) < 0.4)


@pytest.mark.parametrize(("mask", "rule"), RULES, ids=[str(number) for number in range(len(RULES))])
@pytest.mark.parametrize(("queries", "keys", "cached"), [(9, 9, False), (1, 9, True), (4, 9, True), (3, 9, False), (1, 1, False)])
def test_dense_is_the_rule(mask: Mask, rule: Rule, queries: int, keys: int, cached: bool) -> None:
    where = places(queries, keys, cached)
    allowed = mask.dense(where)
    assert allowed.dtype == torch.bool
    assert allowed.shape == (2, queries, keys)
    assert where.query_segments_BQ is not None
    assert where.key_segments_BK is not None
    assert where.key_prefix_BK is not None
    for row, query, key in itertools.product(range(2), range(queries), range(keys)):
        expected = rule(int(where.query_BQ[row, query]), int(where.key_BK[row, key]),
                        int(where.query_segments_BQ[row, query]), int(where.key_segments_BK[row, key]),
                        bool(where.key_prefix_BK[row, key]))  # fmt: skip
        assert bool(allowed[row, query, key]) is expected


def test_masks_are_compared_by_what_they_say() -> None:
    assert causal() & documents() == causal() & documents()
    assert causal() & documents() != causal() | documents()
    assert causal() != full()
    assert len({causal(), causal(), documents(), causal() & documents(), causal() & documents()}) == 3


def test_documents_without_segments_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="segments"):
        documents().dense(Places(torch.zeros(1, 2), torch.zeros(1, 2)))
