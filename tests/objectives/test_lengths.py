"""Lengths of rows against the numbers that T5's code is known to give."""

from __future__ import annotations

import pytest

from headwater.objectives.lengths import noise_counts, span_lengths, tail_lengths, text_that_fits


def test_t5s_568_tokens_become_512_and_114() -> None:
    raw = text_that_fits(lambda n: span_lengths(n, 0.15, 3.0), 512, one_row=False)
    assert raw == 568
    assert span_lengths(raw, 0.15, 3.0) == (512, 114)
    assert noise_counts(raw, 0.15, 3.0) == (85, 28)


def reference(inputs_length: int, density: float, mean: float) -> int:
    """T5's random_spans_helper as its description says it."""

    def source(tokens: int) -> int:
        noise = round(tokens * density)
        return tokens - noise + round(noise / mean) + 1

    tokens = inputs_length
    while source(tokens + 1) <= inputs_length:
        tokens += 1
    return tokens


@pytest.mark.parametrize("context", [128, 512, 1024, 2048])
def test_as_t5s_helper_for_other_contexts(context: int) -> None:
    assert text_that_fits(lambda n: span_lengths(n, 0.15, 3.0), context, one_row=False) == reference(context, 0.15, 3.0)


@pytest.mark.parametrize("one_row", [True, False])
@pytest.mark.parametrize("context", [2, 3, 5, 8, 33, 64, 129])
def test_what_fits_fits_and_one_more_does_not(context: int, one_row: bool) -> None:
    for lengths in (lambda n: span_lengths(n, 0.5, 3.0), lambda n: tail_lengths(n, 0.25), lambda n: (n + 1, n + 1)):
        raw = text_that_fits(lengths, context, one_row=one_row)
        fits = {n: (sum(lengths(n)) - 1 if one_row else max(lengths(n))) <= context for n in (raw, raw + 1) if n > 1}
        assert fits.get(raw, True) and not fits.get(raw + 1, False)
