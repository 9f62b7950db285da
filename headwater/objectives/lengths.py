"""How long a text fills a row of so many tokens, and into how many spans is it broken?

In: a context in tokens, a share of noise, a mean length of spans. Out: whole numbers, the same for every row, so that the shapes of a
batch follow from the config alone. Nothing here loads numpy or torch.
"""

from __future__ import annotations

from collections.abc import Callable

Lengths = Callable[[int], tuple[int, int]]  # tokens of text -> most tokens of its source, and of its target


def noise_counts(tokens: int, density: float, mean: float) -> tuple[int, int]:
    """Tokens of noise and the spans that they stand in (Raffel et al. 2020, random_spans_noise_mask of their code)."""
    noise = min(max(round(tokens * density), 1), tokens - 1)
    spans = min(max(round(noise / mean), 1), tokens - noise)
    return noise, spans


def span_lengths(tokens: int, density: float, mean: float) -> tuple[int, int]:
    """Source and target of span corruption: one sentinel for each span in both, and the end token after both."""
    noise, spans = noise_counts(tokens, density, mean)
    return tokens - noise + spans + 1, noise + spans + 1


def tail_lengths(tokens: int, share: float) -> tuple[int, int]:
    """The longest source and the longest target where one span at the end is hidden, `share` of the text in the mean."""
    return tokens - 1 + 2, longest_tail(tokens, share) + 2


def longest_tail(tokens: int, share: float) -> int:
    """Lengths from 1 to this one, all as likely, are `share` of the text in the mean."""
    return min(max(round(2 * share * tokens) - 1, 1), tokens - 1)


def text_that_fits(lengths: Lengths, context: int, *, one_row: bool) -> int:
    """The longest text whose source and target fit: each into `context`, or both into one row of it; 0 where not even two tokens do.

    T5's random_spans_helper: of 512 tokens and 15 % in spans of 3 it makes 568 and 114.
    """
    tokens = 1
    while _fits(*lengths(tokens + 1), context, one_row):
        tokens += 1
    return tokens if tokens > 1 else 0


def _fits(source: int, target: int, context: int, one_row: bool) -> bool:
    """In one row the last token of the target is predicted and not read."""
    return source + target - 1 <= context if one_row else max(source, target) <= context


def masked_count(tokens: int, rate: float) -> int:
    """Tokens that are hidden: at least one."""
    return max(1, round(tokens * rate))
