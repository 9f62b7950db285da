"""The profiler: our ranges and the operators of the steps that were asked for, told once; off, it is not there."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from headwater.model.config import ModelConfig
from headwater.model.network import Network
from headwater.training.profile import Profiler
from headwater.training.watch_config import ProfileConfig
from tests.heard import Heard

SHAPE = ModelConfig(layers=2, width=32, heads=2, context=16, vocab_size=50)


@pytest.fixture
def network() -> Network:
    return SHAPE.build(1)


def steps(profiler: Profiler, network: Network, of: range) -> Iterator[int]:
    """Steps with a forward and a backward pass."""
    tokens_BT = torch.arange(16)[None]
    for step in of:
        profiler.begin(step)
        with profiler.span("forward and loss"):
            loss = network(tokens_BT).square().mean()
        with profiler.span("backward"):
            loss.backward()
        profiler.end(step + 1)
        yield step


def test_ranges_and_operators_of_the_steps_asked_for(network: Network, tmp_path: Path) -> None:
    heard = Heard()
    profiler = Profiler(ProfileConfig(after=2, steps=3), tmp_path, "pretrain", network, heard)
    for step in steps(profiler, network, range(8)):
        assert (tmp_path / "profile.md").exists() == (step >= 4)
    profiler.close(8)
    assert len(heard.lines) == 1
    text = (tmp_path / "profile.md").read_text()
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line.startswith("| ")]
    rows = {cell[0]: cell[1:] for cell in cells}
    assert "steps 3 to 5" in text
    assert {name: float(row[2]) for name, row in rows.items() if name in ("step", "backward", "forward: attention", "forward: layers")} == {
        "step": 1.0, "backward": 1.0, "forward: attention": 2.0, "forward: layers": 1.0,
    }  # fmt: skip
    milliseconds = {name: float(row[0].replace(",", "")) for name, row in rows.items() if not name.startswith(("Range", "Operator"))}
    assert milliseconds["forward: attention"] < milliseconds["forward: layers"] < milliseconds["forward and loss"] < milliseconds["step"]
    parts = ("forward: embedding", "forward: layers", "forward: head and loss")
    assert sum(milliseconds[name] for name in parts) == pytest.approx(milliseconds["forward and loss"], abs=0.02)
    assert rows["step"][1] == "100.0%"
    assert any(name in rows for name in ("aten::mm", "aten::addmm", "aten::bmm"))
    assert "forward: feed-forward" in heard.lines[0] and max(map(len, heard.lines[0].splitlines())) <= 80
    trace = json.loads(gzip.decompress((tmp_path / "profile.json.gz").read_bytes()))
    assert sum(event.get("name") == "headwater/step" and event.get("ph") == "X" for event in trace["traceEvents"]) == 3


def test_off_it_adds_nothing(network: Network, tmp_path: Path) -> None:
    heard = Heard()
    profiler = Profiler(None, tmp_path, "pretrain", network, heard)
    for _ in steps(profiler, network, range(3)):
        assert not torch.autograd.profiler._is_profiler_enabled
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    profiler.close(3)
    assert heard.lines == [] and list(tmp_path.iterdir()) == []


def test_nothing_of_it_stays(network: Network, tmp_path: Path) -> None:
    profiler = Profiler(ProfileConfig(after=0, steps=1), tmp_path, "pretrain", network, Heard())
    for _ in steps(profiler, network, range(2)):
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
        assert not torch.autograd.profiler._is_profiler_enabled


def test_a_run_that_ends_before_tells_what_there_is(network: Network, tmp_path: Path) -> None:
    heard = Heard()
    profiler = Profiler(ProfileConfig(after=1, steps=9), tmp_path, "pretrain", network, heard)
    list(steps(profiler, network, range(3)))
    profiler.close(3)
    assert "steps 2 to 3" in heard.lines[0]


@pytest.mark.parametrize("after", [5, 3])
def test_a_run_that_never_comes_there_says_so(network: Network, tmp_path: Path, after: int) -> None:
    heard = Heard()
    profiler = Profiler(ProfileConfig(after=after), tmp_path, "pretrain", network, heard)
    list(steps(profiler, network, range(3)))
    profiler.close(3)
    assert heard.lines == ["pretrain: nothing was profiled, as the run ended before (watch.profile.after)"]
    assert not (tmp_path / "profile.md").exists()


@pytest.mark.fault
def test_a_step_that_breaks_off_is_taken_from_its_beginning(network: Network, tmp_path: Path) -> None:
    """A step is left in the middle (memory had changed), and made again: one step is told."""
    profiler = Profiler(ProfileConfig(after=0, steps=1), tmp_path, "pretrain", network, Heard())
    profiler.begin(0)
    list(steps(profiler, network, range(1)))
    assert "| step |" in (tmp_path / "profile.md").read_text()


def test_a_run_that_goes_on_is_not_profiled_again(network: Network, tmp_path: Path) -> None:
    list(steps(Profiler(ProfileConfig(after=0, steps=1), tmp_path, "pretrain", network, Heard()), network, range(2)))
    before = (tmp_path / "profile.md").read_bytes()
    list(steps(Profiler(ProfileConfig(after=0, steps=1), tmp_path, "pretrain", network, Heard()), network, range(2, 4)))
    assert (tmp_path / "profile.md").read_bytes() == before
