"""Batches that grow: sizes at the edges, and the place in the reading order as their running sum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from headwater.core.errors import HeadwaterError
from headwater.training.config import Ramp, Size, Stages, Training
from headwater.training.ramp import Sizes, first_row, largest, size_at, smallest


def sizes(size: Size, steps: int, row_tokens: int = 1) -> list[int]:
    return [size_at(size, step, row_tokens) for step in range(steps)]


def test_a_number_is_as_it_always_was() -> None:
    assert sizes(8, 3) == [8, 8, 8]
    assert [first_row(8, step) for step in range(4)] == [0, 8, 16, 24]
    assert Training(steps=200, batch_size=8).batch_size == 8
    assert Training(steps=200, batch_size=8).model_dump(mode="json")["batch_size"] == 8


def test_linear_in_steps() -> None:
    assert sizes(Ramp(start=4, end=32, over=7), 10) == [4, 8, 12, 16, 20, 24, 28, 32, 32, 32]
    assert sizes(Ramp(start=4, end=32, over=7, multiple=8), 9) == [4, 8, 8, 16, 16, 24, 24, 32, 32]


def test_doubling() -> None:
    assert sizes(Ramp(start=4, end=32, over=6, shape="doubling"), 9) == [4, 4, 8, 8, 16, 16, 32, 32, 32]


def test_palm_s_stages() -> None:
    """Chowdhery et al. 2022 §5: 512 until step 50 k, 1,024 until 115 k, then 2,048: 1 M, 2 M and 4 M tokens."""
    palm = Stages(sizes=(512, 1024, 2048), at=(50_000, 115_000))
    assert [size_at(palm, step) for step in (0, 49_999, 50_000, 114_999, 115_000, 254_999)] == [512, 512, 1024, 1024, 2048, 2048]
    assert first_row(palm, 255_000) * 2048 == pytest.approx(780e9, rel=0.03)  # the paper trained on 780 G tokens


def test_gpt3_grows_in_a_line_of_tokens() -> None:
    """Brown et al. 2020: from 32 k tokens to 3.2 M over the first tokens; rows of 2,048. In a line of tokens, not of steps."""
    gpt3 = Ramp(start=16, end=1562, over=12_000_000_000, unit="tokens")
    tokens = 0
    for step in range(2000):
        size = size_at(gpt3, step, 2048)
        assert size == 16 + (1562 - 16) * tokens // 12_000_000_000
        assert first_row(gpt3, step, 2048) * 2048 == tokens
        tokens += size * 2048
    settled = next(step for step in range(0, 40_000, 100) if size_at(gpt3, step, 2048) == 1562)
    assert first_row(gpt3, settled, 2048) * 2048 == pytest.approx(12e9, rel=0.05)


def test_bloom_grows_in_rows() -> None:
    """192 to 2,048 by 16 over 9.77 M samples."""
    bloom = Ramp(start=192, end=2048, over=9_765_625, unit="rows", multiple=16)
    found = sizes(bloom, 14_000)
    assert found[0] == 192
    assert found[-1] == 2048
    assert found == sorted(found)
    assert all(size % 16 == 0 for size in found)


GROWING = st.one_of(
    st.builds(
        lambda start, more, over, unit, multiple: Ramp(start=start, end=start + more, over=over, unit=unit, multiple=multiple),
        st.integers(1, 20), st.integers(0, 50), st.integers(1, 200), st.sampled_from(["steps", "rows", "tokens"]), st.integers(1, 8),
    ),
    st.builds(
        lambda start, times, over, unit: Ramp(start=start, end=start << times, over=over, unit=unit, shape="doubling"),
        st.integers(1, 20), st.integers(0, 4), st.integers(1, 200), st.sampled_from(["steps", "rows", "tokens"]),
    ),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(GROWING, st.integers(1, 9))
def test_grows_from_start_to_end_and_reads_every_row_once(size: Ramp, row_tokens: int) -> None:
    found = sizes(size, 250, row_tokens)
    assert found[0] == (size.start if size.over else size.end)
    assert found == sorted(found)
    assert max(found) <= size.end == largest(size)
    assert [first_row(size, step, row_tokens) for step in range(250)] == [sum(found[:step]) for step in range(250)]
    assert size_at(size, 1_000, row_tokens) == size.end


def test_the_answer_does_not_depend_on_what_was_asked_before() -> None:
    size = Ramp(start=3, end=9, over=90, unit="rows")
    late = size_at(size, 40)
    assert late == size_at(Ramp(start=3, end=9, over=90, unit="rows"), 40) == sizes(size, 41)[-1]


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        (0, "greater than 0"),
        ("many", "valid integer"),
        ({"kind": "ramp", "start": 8, "end": 4, "over": 10}, r"the ramp ends \(4\) below its start \(8\)"),
        ({"kind": "ramp", "start": 4, "end": 24, "over": 10, "shape": "doubling"}, "doubling 4 never gives 24"),
        ({"kind": "ramp", "start": 4, "end": 8, "over": 0}, "greater than 0"),
        ({"kind": "ramp", "start": 0, "end": 8, "over": 5}, "greater than 0"),
        ({"kind": "stages", "sizes": [4, 8], "at": []}, "2 sizes need 1 places between them, not 0"),
        ({"kind": "stages", "sizes": [4, 8, 16], "at": [20, 10]}, "the places must come one after the other"),
        ({"start": 4, "end": 8, "over": 5}, "kind"),
    ],
)
def test_what_cannot_be_is_refused(size: Any, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Training(steps=200, batch_size=size)


def test_sizes_read_on_behind_what_was_read_whatever_changes() -> None:
    """Rows and tokens of all steps before add up, for any changes of both; a change behind what is asked changes nothing before it."""
    draw = np.random.default_rng(5)
    for _ in range(40):
        sizes, whole = Sizes(3, 24, Ramp(start=4, end=24, over=20)), int(draw.integers(1, 4))
        before = [sizes.portion(step) for step in range(12)]
        places = sorted(draw.choice(40, 3, replace=False).tolist())
        for place in places:
            sizes.change(place, int(draw.integers(1, 9)), int(draw.integers(1, 25)) if whole > 1 else None)
        assert [sizes.portion(step) for step in range(12) if step < places[0]] == before[: min(12, places[0])]
        rows = tokens = 0
        for step in range(60):
            first, count = sizes.rows(step)
            portion = sizes.portion(step)
            assert (first, portion.first, portion.rows) == (rows, tokens, count)
            for _ in range(count):
                tokens += min(portion.length, 24 - tokens % 24)
            rows += count
        assert sizes.tokens_before(60) == tokens
        late = Sizes(3, 24, Ramp(start=4, end=24, over=20))
        for place in places:
            late.change(place, *sizes._held[sizes._from.index(place)])
        assert late.portion(59) == sizes.portion(59)


def test_a_batch_ramp_in_tokens_counts_those_of_short_rows() -> None:
    """Rows of 8 tokens, later of 16: the batch has grown when 1,000 tokens were read, not when 1,000 would have been."""
    sizes = Sizes(Stages(sizes=(4, 8), at=(1000,), unit="tokens"), 16, Stages(sizes=(8, 16), at=(20,)))
    grown = next(step for step in range(100) if sizes.rows(step)[1] == 8)
    assert grown == 20 + -(-(1000 - 20 * 4 * 8) // (4 * 16))
    assert sizes.tokens_before(grown) >= 1000 > sizes.tokens_before(grown - 1)


def test_a_batch_larger_than_the_data_is_a_sentence() -> None:
    sizes = Sizes(Ramp(start=1, end=50, over=9), 16)
    sizes.fit(50, "pretrain.batch_size")
    with pytest.raises(HeadwaterError, match="a batch of 50 rows is larger than the data, which have 49"):
        Sizes(Ramp(start=1, end=50, over=9), 16).fit(49, "pretrain.batch_size")
    before = [sizes.rows(place) for place in range(20)]
    with pytest.raises(HeadwaterError, match="a batch of 51 rows is larger than the data, which have 50"):
        sizes.change(4, 51)
    assert [sizes.rows(place) for place in range(20)] == before  # what is refused has changed nothing
    assert (smallest(7), smallest(Ramp(start=3, end=50, over=9)), smallest(Stages(sizes=(4, 2), at=(9,)))) == (7, 3, 2)
