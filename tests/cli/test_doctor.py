"""`headwater doctor` measures the matrix peak anew, and tells whether energy is counted and which sinks are there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from headwater.cli import doctor
from headwater.core import energy, peak


def test_peak_energy_and_sinks_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak, "measure", lambda: {"fp32": 2.04e11, "bf16": 1.71e12})
    monkeypatch.setattr(energy, "Energy", lambda: SimpleNamespace(told=True))
    plain = doctor.importlib.util.find_spec
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: object() if name == "trackio" else plain(name))
    found = {finding.name: finding for finding in doctor.examine()}
    assert found["matrix peak"].state.startswith("0.204 TFLOP/s in fp32, 1.71 TFLOP/s in bf16")
    assert "RAPL" in found["energy"].state
    assert "trackio beside" in found["sinks"].state and found["sinks"].well
    monkeypatch.setattr(energy, "Energy", lambda: SimpleNamespace(told=False))
    assert {finding.name: finding for finding in doctor.examine()}["energy"].state.startswith("not told")
