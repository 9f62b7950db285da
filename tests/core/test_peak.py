"""The matrix peak: really what products reach, quickly measured, kept for the machine, made anew where the file is damaged."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch

from headwater.core import peak as peaks
from headwater.core.hardware import cpu_has_bf16


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADWATER_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the next measurements find in fp32; ten times that in bf16."""
    found: list[float] = []

    def rate(shape: tuple[int, int, int], format: str) -> float:
        if format == "fp32" and shape == peaks.SHAPES[0]:
            rate.now = found.pop(0)  # type: ignore[attr-defined]
        return rate.now * (10.0 if format == "bf16" else 1.0)  # type: ignore[attr-defined, no-any-return]

    monkeypatch.setattr(peaks, "_rate", rate)
    monkeypatch.setattr(peaks, "cpu_has_bf16", lambda: True)
    return found


def test_a_product_of_ours_reaches_it_and_none_is_much_faster() -> None:
    """Against a plain timing of a square product, which is another shape and another clock."""
    state = torch.get_rng_state()
    started = time.process_time()
    measured = peaks.measure()
    assert time.process_time() - started < 30  # all threads; a second on two quiet cores
    assert torch.equal(torch.get_rng_state(), state), "measuring draws from the generator that training draws from"
    assert set(measured) == ({"fp32", "bf16"} if cpu_has_bf16() else {"fp32"})
    size, best = 512, float("inf")
    x_NN = torch.ones(size, size)
    for _ in range(20):
        begun = time.perf_counter()
        x_NN @ x_NN
        best = min(best, time.perf_counter() - begun)
    assert 0.05 < (2 * size**3 / best) / measured["fp32"] < 20  # the same order of magnitude: neither bytes nor FLOP/ms


def test_the_best_is_kept_and_after_three_times_it_is_read(rates: list[float]) -> None:
    rates += [1e11, 3e11, 2e11, 9e11]
    assert [peaks.peak("fp32") for _ in range(5)] == [1e11, 3e11, 3e11, 3e11, 3e11]
    assert peaks.peak("bf16") == 3e12
    assert peaks.measure() == {"fp32": 9e11, "bf16": 9e12}, "asked for, it measures again"
    assert peaks.peak("fp32") == 9e11


def test_other_threads_are_another_machine(rates: list[float]) -> None:
    rates += [1e11, 5e11]
    threads = torch.get_num_threads()
    assert peaks.peak("fp32") == 1e11
    try:
        torch.set_num_threads(threads + 1)
        assert peaks.peak("fp32") == 5e11
    finally:
        torch.set_num_threads(threads)


def test_without_units_there_is_no_peak(rates: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    rates += [1e11]
    monkeypatch.setattr(peaks, "cpu_has_bf16", lambda: False)
    assert peaks.peak("bf16") is None


@pytest.mark.fault
@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"fp32": "fast", "bf16": 1, "times": 3}', '{"fp32": 1}'])
def test_a_damaged_file_is_made_anew(rates: list[float], folder: Path, damage: str) -> None:
    rates += [1e11, 2e11]
    peaks.peak("fp32")
    (file,) = (folder / "peak").iterdir()
    file.write_text(damage)
    assert peaks.peak("fp32") == 2e11
    assert json.loads(file.read_text()) == {"fp32": 2e11, "bf16": 2e12, "times": 1}


@pytest.mark.fault
def test_without_a_place_to_keep_it(rates: list[float], folder: Path) -> None:
    rates += [1e11, 2e11]
    (folder / "peak").write_text("a file where the folder should be")
    assert [peaks.peak("fp32"), peaks.peak("fp32")] == [1e11, 2e11]
