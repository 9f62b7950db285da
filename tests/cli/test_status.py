"""`headwater status` of a run in progress: where it is and how fast, read from the end of its logs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwater.cli.status import status


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    folder = tmp_path / "artifacts" / "pretrain-77ab.partial"
    (folder / "journal").mkdir(parents=True)
    return folder


def rows(path: Path, found: list[dict[str, Any]], torn: str = "") -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in found) + torn)


def said(partial: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    status(partial.parents[1], as_json=True)
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return dict(row)


def test_a_run_in_progress_tells_step_loss_speed_and_mfu(partial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The log is longer than what is read of it, and its last row is being written."""
    trained = [{"kind": "train", "step": step, "loss": 9.0 - step / 1e4} for step in range(10, 20_001, 10)]
    rows(partial / "metrics.jsonl", [*trained, {"kind": "incident", "step": 20_001, "loss": None}], '{"kind": "tr')
    timing = [{"step": step, "seconds": 0.1, "tokens_per_second": 1000 if step % 2 else 1200, "mfu": 0.125} for step in range(1, 20_004)]
    rows(partial / "journal" / "timing.jsonl", timing, '{"step": 20')
    found = said(partial, capsys)
    assert found["state"] == "in progress"
    assert {key: found[key] for key in ("step", "loss", "tokens_per_second", "mfu")} == {
        "step": 20_003, "loss": 7.0, "tokens_per_second": 1100, "mfu": 0.125,
    }  # fmt: skip
    assert found["key_figure"] == "step 20,003, loss 7, 1,100 tokens/s, MFU 12.5%"


def test_what_a_run_does_not_tell_is_left_out(partial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows(partial / "metrics.jsonl", [{"kind": "validation", "step": 0, "bits_per_byte": 8.0}])
    assert said(partial, capsys)["key_figure"] == "step 0"


def test_a_stage_that_is_no_training_tells_its_parts(partial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (partial / "part-00001.parquet").write_bytes(b"")
    assert said(partial, capsys)["key_figure"] == "1 parts"
