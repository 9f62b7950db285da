"""What becomes of marked spans? In: a text, its spans, and what replaces each kind. Out: the text with spans replaced or cut.

A span whose kind has a stand-in (`email` -> `<EMAIL>`) is replaced, any other is cut. Of overlapping spans with stand-ins the longest
counts. Where a cut begins or ends inside one, the stand-in takes all of it: half an address is still somebody's. A line that was cut
whole leaves no empty line; empty lines at the ends of a text go, and of more than two in a row two stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from headwater.corpus.document import Span
from headwater.corpus.overlap import apart

Replace = Callable[[str, str, str], str | None]
"""`(kind, matched text, document id)` -> what stands there instead; None: the span is cut."""
BLANK = re.compile(r"\n{4,}")


def apply(text: str, spans: Sequence[Span], id: str, replace: Replace) -> str:
    """The text without its marked spans."""
    stand_ins = {span: replace(span[2], text[span[0] : span[1]], id) for span in spans}
    cuts = joined([span[:2] for span, stand_in in stand_ins.items() if stand_in is None])
    named = [span for span, stand_in in stand_ins.items() if stand_in is not None]
    outside = [span for span in named if not any(start <= span[0] and span[1] <= end for start, end in cuts)]
    replaced = [(start, end, stand_ins[start, end, kind]) for start, end, kind in apart(outside, lambda span: (span[0] - span[1],))]
    pieces: list[str] = []
    place = 0
    for start, end, stand_in in sorted([*replaced, *((*cut, None) for cut in _around(cuts, replaced))], key=lambda item: item[:2]):
        pieces.append(text[place:start])
        place = end
        if stand_in is not None:
            pieces.append(stand_in)
        elif text[end : end + 1] == "\n" and (start == 0 or text[start - 1] == "\n"):
            place = end + 1
    pieces.append(text[place:])
    return BLANK.sub("\n\n\n", "".join(pieces)).strip("\n")


def joined(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Overlapping and touching intervals as one, ascending."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _around(cuts: Sequence[tuple[int, int]], replaced: Sequence[tuple[int, int, str | None]]) -> list[tuple[int, int]]:
    """What of the cuts is not replaced."""
    left: list[tuple[int, int]] = []
    for start, end in cuts:
        for taken_start, taken_end, _ in replaced:  # ascending, apart
            if taken_start < end and start < taken_end:
                left += [(start, taken_start)] if start < taken_start else []
                start = taken_end
        left += [(start, end)] if start < end else []
    return left
