"""What a run tells beside its metrics: it is complete, it is in the journal alone, and a run that is watched computes the same bits."""

from __future__ import annotations

import json
import math
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headwater.core.artifact import Work
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Bar, Reporter
from headwater.model.config import ModelConfig
from headwater.model.describe import describe
from headwater.model.network import Network
from headwater.objectives.causal import causal_rows
from headwater.tokens.batch import Batch
from headwater.training import telemetry as module
from headwater.training.config import AdamW, Cosine, Training
from headwater.training.loop import train
from headwater.training.loss import token_loss
from headwater.training.watch_config import ProfileConfig, WandB, WatchConfig

SHAPE = ModelConfig(layers=2, width=32, heads=2, context=16, dropout=0.1, vocab_size=50)
STEPS = 12
CONFIG = Training(
    steps=STEPS, batch_size=8, micro_batch=4, schedule=Cosine(warmup=2), optimizer=AdamW(lr=1e-2), precision="fp32", log_every=4,
    validate_every=6, sample_every=20, checkpoint_every=5,
)  # fmt: skip
WATCHED = WatchConfig(every=5, profile=ProfileConfig(after=3, steps=2))


class Counting:
    def batch(self, step: int) -> Batch:
        starts = np.random.default_rng(step).integers(0, 50, (8, 1))
        return causal_rows((starts + np.arange(17)) % 50, end=0, across_documents=True)

    def documents(self, step: int) -> list[str]:
        return []


def run(folder: Path, watch: WatchConfig, report: Reporter | None = None) -> Network:
    network = SHAPE.build(1)
    folder.mkdir(parents=True, exist_ok=True)
    work = Work(folder, {}, seed=3, report=report or Reporter())
    train(network, Counting(), token_loss, CONFIG.model_copy(update={"watch": watch}), work=work, name="pretrain",
          validate=lambda: {"bits_per_byte": 1.0}, sample=list)  # fmt: skip
    return network


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(autouse=True, scope="module")
def peak() -> Any:
    """A machine whose matrix peak is a teraflop a second, and that counts a joule between two looks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "peak", lambda format: 1e12)
        patch.setattr(module, "Energy", lambda: types.SimpleNamespace(joules=lambda: 1.0))
        yield


class Bars(Reporter):
    """What the bar was given, step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[dict[str, Any]] = []

    def _update(self, bar: Bar) -> None:
        self.shown.append(dict(bar.figures))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Network, Bars]:
    folder, bars = tmp_path_factory.mktemp("watched"), Bars()
    return folder, run(folder, WATCHED, bars), bars


def test_watching_changes_no_bit_and_no_log(watched: tuple[Path, Network, Bars], tmp_path: Path) -> None:
    """Norms, activations and the profiler: weights and metrics are those of a run that nobody watched (with dropout, in micro-batches)."""
    plain = run(tmp_path, WatchConfig(every=None))
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, watched[1].state_dict()[name]), name
    assert (tmp_path / "metrics.jsonl").read_bytes() == (watched[0] / "metrics.jsonl").read_bytes()
    assert (tmp_path / "journal" / "norms.jsonl").read_bytes() == b""
    assert not (tmp_path / "journal" / "profile.md").exists()


def test_each_step_tells_its_speed_memory_waiting_and_energy(watched: tuple[Path, Network, Bars]) -> None:
    timing = rows(watched[0] / "journal" / "timing.jsonl")
    assert [row["step"] for row in timing] == list(range(1, STEPS + 1))
    for row in timing:
        assert row["tokens_per_second"] == pytest.approx(8 * 16 / row["seconds"], rel=0.02, abs=1)
        flops = describe(SHAPE).training_flops
        assert row["mfu"] == pytest.approx(8 * 16 / row["seconds"] * flops / 1e12, rel=0.02)
        assert 0 <= row["data_seconds"] < row["seconds"]
        assert 0 < row["resident_bytes"] <= 1.05 * row["memory_bytes"]
        assert row["joules"] == 1.0


def test_training_flops_are_six_a_weight_and_token() -> None:
    """Kaplan et al. 2020: 6 N, beside attention and tables that are looked up; what MFU counts."""
    model = ModelConfig(layers=4, width=256, heads=4, context=32, vocab_size=100)
    assert describe(model).training_flops == pytest.approx(6 * model.parameter_count(), rel=0.05)


def test_norms_are_told_at_the_first_step_and_every_so_many(watched: tuple[Path, Network, Bars]) -> None:
    norms = rows(watched[0] / "journal" / "norms.jsonl")
    assert [row["step"] for row in norms] == [1, 6, 11]
    metrics = {row["step"]: row for row in rows(watched[0] / "metrics.jsonl") if row["kind"] == "train"}
    assert set(metrics) == {4, 8, 12}
    for row in norms:
        assert set(row["activations"]) == {"blocks.0", "blocks.1"}
        assert all(figures["update"] > 0 for figures in row["parts"].values())


def test_norms_by_part_are_the_norm_that_the_guard_saw(tmp_path: Path) -> None:
    """Squares add up to the whole gradient's, before it is clipped."""
    config = CONFIG.model_copy(update={"watch": WatchConfig(every=1), "log_every": 1, "clip": 0.1})
    work = Work(tmp_path, {}, seed=3, report=Reporter())
    train(SHAPE.build(1), Counting(), token_loss, config, work=work, name="x", validate=lambda: {"bits_per_byte": 1.0}, sample=list)
    whole = [row["grad_norm"] for row in rows(tmp_path / "metrics.jsonl") if row["kind"] == "train"]
    parts = [math.sqrt(sum(f["gradient"] ** 2 for f in row["parts"].values())) for row in rows(tmp_path / "journal" / "norms.jsonl")]
    assert min(whole) > 0.1
    assert parts == pytest.approx(whole, rel=1e-4)


def test_the_bar_shows_loss_speed_and_mfu_as_numbers(watched: tuple[Path, Network, Bars]) -> None:
    last = watched[2].shown[-1]
    assert list(last)[:3] == ["loss", "tokens/s", "mfu"]
    assert all(isinstance(last[name], int | float) for name in ("loss", "tokens/s", "mfu"))


def test_the_profile_knows_the_parts_of_a_step(watched: tuple[Path, Network, Bars]) -> None:
    text = (watched[0] / "journal" / "profile.md").read_text()
    ranges = [line.split("|")[1].strip() for line in text.split("| Operator")[0].splitlines() if line.startswith("| ")][1:]
    assert set(ranges) == {
        "step", "data", "forward and loss", "forward: embedding", "forward: attention", "forward: feed-forward", "forward: layers",
        "forward: head and loss", "backward", "clip", "optimizer",
    }  # fmt: skip
    assert "steps 4 to 5" in text


def test_a_missing_sink_is_found_before_a_step_is_made(tmp_path: Path) -> None:
    with pytest.raises(HeadwaterError, match=r"pip install 'headwater\[wandb\]'"):
        run(tmp_path, WatchConfig(sinks=(WandB(kind="wandb"),)))
    assert not (tmp_path / "journal" / "timing.jsonl").exists()


def test_sinks_are_told_metrics_norms_and_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, str]] = []

    class Keeping:
        def __init__(self, sinks: Any, about: Any, report: Any) -> None:
            assert (about.stage, about.settings["steps"], about.begins) == ("pretrain", STEPS, True)

        def log(self, step: int, figures: dict[str, Any]) -> None:
            told.extend((step, name) for name in figures)

        def close(self) -> None:
            told.append((0, "closed"))

    monkeypatch.setattr(module, "Sinks", Keeping)
    run(tmp_path, WatchConfig(every=5))
    assert {(4, "train/loss"), (4, "timing/mfu"), (6, "norms/blocks.1.attention/gradient"), (6, "validation/bits_per_byte"),
            (11, "norms/blocks.0/rms")} <= set(told)  # fmt: skip
    assert (5, "timing/mfu") not in told, "as often as the loss"
    assert told[-1] == (0, "closed")
