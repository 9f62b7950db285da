"""What the journal tells of a training stage is on the page: speed, MFU, memory, waiting, norms by part, activations by depth."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from headwater.core.artifact import Workspace
from headwater.release.report import telemetry, training
from headwater.release.report.evidence import Norms, Timing, read_stages
from headwater.release.report.section import Section
from headwater.release.report.words import Words


@pytest.fixture(scope="module", params=["en", "zh"])
def section(workspace: Workspace, request: pytest.FixtureRequest) -> Section:
    words = Words(request.param)
    found = training.section(read_stages(workspace, words), "pretrain", words)
    assert found is not None
    return found


def traces(section: Section, key: str) -> list[dict[str, Any]]:
    return [dict(trace) for trace in section.charts[f"pretrain-{key}"]["data"]]


def test_all_that_the_journal_tells_is_drawn(section: Section) -> None:
    keys = [id.removeprefix("pretrain-") for id in section.charts]
    assert keys == ["loss", "validation", "rate", "norm", "speed", "mfu", "memory", "wait", "parts", "updates", "depth", "logits", "dead"]


def test_parts_of_all_layers_add_up_as_squares(section: Section) -> None:
    heights = [trace["y"] for trace in traces(section, "parts")]
    assert [y[0] for y in heights] == pytest.approx([3.0, 3 * math.sqrt(2), 4 * math.sqrt(2), 3.0], rel=1e-4)
    assert all(len(set(y)) == 1 for y in heights)
    assert traces(section, "updates")[1]["y"][0] == pytest.approx(0.04 / 20, rel=0.01)
    assert section.charts["pretrain-updates"]["layout"]["yaxis"]["type"] == "log"


def test_depth_is_shown_from_the_first_moment_to_the_last(section: Section) -> None:
    drawn = traces(section, "depth")
    assert len(drawn) == telemetry.MOMENTS
    assert drawn[0]["x"] == [1, 2]
    assert drawn[0]["y"][1] == pytest.approx(2 * drawn[0]["y"][0])
    assert drawn[-1]["y"][0] > drawn[0]["y"][0]


def test_the_largest_of_all_blocks_stands_for_them(section: Section) -> None:
    assert set(traces(section, "logits")[0]["y"]) == {5.0}
    assert set(traces(section, "dead")[0]["y"]) == {0.02}


def test_what_was_taken_back_is_tinted_on_the_loss(section: Section) -> None:
    layout = section.charts["pretrain-loss"]["layout"]
    (band,) = layout["shapes"]
    assert (band["x0"], band["x1"]) == (500, 540)
    assert "500" in layout["annotations"][0]["text"]


def test_the_lead_says_how_fast_it_was(section: Section) -> None:
    said = section.lead.replace("\u00a0", " ")
    assert "13.1 %" in said and "0.5 %" in said and "0.0100" in said  # MFU, waiting, kWh
    assert ("15.7 k" in said and "step 540" in said) or ("1.57 万" in said and "第 540 步" in said)


def test_one_odd_step_does_not_press_the_rest_flat() -> None:
    timing = [
        Timing(step=step, seconds=0.1, tokens_per_second=100.0 + step, data_seconds=5.0 if step == 1 else 0.001) for step in range(1, 60)
    ]
    figure = telemetry.figures(timing, [], Words("en"))["wait"]
    assert figure["layout"]["yaxis"]["range"][1] < 50


def test_of_a_step_that_stands_twice_the_last_row_holds(fresh: Workspace) -> None:
    path: Path = fresh.root / "pretrain/journal/timing.jsonl"
    path.write_text('{"step": 2, "seconds": 1}\n{"step": 1, "seconds": 2}\n{"step": 2, "seconds": 3}\n')
    timing, _ = telemetry.read(read_stages(fresh, Words("en"))["pretrain"])
    assert [(row.step, row.seconds) for row in timing] == [(1, 2.0), (2, 3.0)]


def test_without_a_journal_nothing_is_drawn_or_said() -> None:
    assert telemetry.figures([], [], Words("en")) == {}
    assert telemetry.lead([], Words("en")) == ""


def test_what_is_no_number_is_a_gap() -> None:
    broken = {"embedding": {"gradient": None, "weight": 2.0, "update": 0.0}}
    sound = {"embedding": {"gradient": 1.0, "weight": 2.0, "update": 0.1}}
    norms = [Norms(step=step, parts=broken if step == 2 else sound) for step in (1, 2, 3)]
    found = telemetry.figures([], norms, Words("en"))
    assert found["parts"]["data"][0]["y"] == [1.0, None, 1.0]
    assert found["updates"]["data"][0]["y"] == [0.05, None, 0.05]


def test_blocks_are_in_order_of_depth() -> None:
    names = [f"blocks.{n}" for n in (0, 1, 10, 2)] + ["encoder.blocks.1", "encoder.blocks.0"]
    ordered = telemetry._in_order({name: {"rms": float(number)} for number, name in enumerate(names)})
    assert [figures["rms"] for figures in ordered] == [5, 4, 0, 1, 3, 2]
