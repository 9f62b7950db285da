"""headwater.corpus.overlap.py against the plain quadratic way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headwater.corpus.document import Span
from headwater.corpus.overlap import apart

SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8), st.sampled_from(["a", "b"])), max_size=12)


@given(SPANS)
def test_the_plain_way_says_the_same(drawn: list[tuple[int, int, str]]) -> None:
    spans: list[Span] = [(start, start + length, kind) for start, length, kind in drawn]
    kept: list[Span] = []
    for span in sorted(set(spans), key=lambda span: (span[0] - span[1], span)):
        if all(span[1] <= other[0] or span[0] >= other[1] for other in kept):
            kept.append(span)
    assert apart(spans, lambda span: (span[0] - span[1],)) == sorted(kept)
