"""Which of overlapping spans stay? In: spans and an order of preference. Out: spans that do not overlap, by place."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable

from headwater.corpus.document import Span


def apart(spans: Iterable[Span], preference: Callable[[Span], tuple[int, ...]]) -> list[Span]:
    """The most preferred span, then the most preferred of those that do not overlap it, and so on; of equals the first by place."""
    kept: list[Span] = []
    for span in sorted(set(spans), key=lambda span: (preference(span), span)):
        place = bisect_left(kept, span)  # what is kept does not overlap, so only the neighbours can be in the way
        if (place == 0 or kept[place - 1][1] <= span[0]) and (place == len(kept) or span[1] <= kept[place][0]):
            kept.insert(place, span)
    return kept
