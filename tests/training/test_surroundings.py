"""Surroundings: what is written of a machine, and which differences are worth a warning."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from headwater.training.surroundings import differences, surroundings


def git(folder: Path, *words: str) -> str:
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", *author, *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_packages_machine_and_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    here = surroundings(2)
    assert here["packages"]["torch"] == torch.__version__
    assert here["processes"] == 2
    assert here["commit"] is None
    inside = tmp_path / "recipes"
    inside.mkdir()
    git(inside, "init", "-q")
    (inside / "mine.yaml").write_text("name: mine\n")
    git(inside, "add", ".")
    git(inside, "commit", "-qm", "one")
    monkeypatch.chdir(inside)
    assert surroundings(1)["commit"] == git(inside, "rev-parse", "HEAD")


def test_a_commit_with_changes_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    (tmp_path / "mine.yaml").write_text("name: other\n")
    monkeypatch.chdir(tmp_path)
    assert surroundings(1)["commit"] == git(tmp_path, "rev-parse", "HEAD") + "-dirty"


HERE: dict[str, Any] = {"packages": {"torch": "2.13.0"}, "flags": ["avx2"], "processor": "A", "processes": 1, "disk_free_gib": 3.0}


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({"disk_free_gib": 9.0, "platform": "another"}, None),
        ({"packages": {"torch": "2.12.0"}}, "torch 2.12.0 (here 2.13.0)"),
        ({"flags": ["avx2", "amx_bf16"], "processor": "B"}, "another kind of processor (B, here A)"),
        ({"processes": 4, "packages": {"torch": "2.12.0"}}, "torch 2.12.0 (here 2.13.0) and 4 processes (here 1)"),
    ],
)
def test_what_may_change_bits(there: dict[str, Any], said: str | None) -> None:
    assert differences({**HERE, **there}, HERE) == said
