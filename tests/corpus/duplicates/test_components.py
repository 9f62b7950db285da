"""headwater/corpus/duplicates/components.py: union-find against reachability, whatever the order of the pairs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.duplicates.components import alone, flatten, join, roots

PAIRS = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=25)


@settings(deadline=None)
@given(PAIRS, st.randoms())
def test_groups_are_connected_components(pairs: list[tuple[int, int]], draw: object) -> None:
    parent = alone(15)
    left, right = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    join(parent, left, right)
    shuffled = np.random.default_rng(len(pairs)).permutation(len(pairs))
    other = alone(15)
    join(other, right[shuffled], left[shuffled])
    reached = {place: {place} for place in range(15)}
    for _ in range(15):
        for a, b in pairs:
            for place in reached[a] | reached[b]:
                reached[place] = reached[place] | reached[a] | reached[b]
    expected = [min(reached[place]) for place in range(15)]
    assert roots(parent, np.arange(15)).tolist() == expected
    for found in (parent, other):
        flatten(found)
        assert found.tolist() == expected
