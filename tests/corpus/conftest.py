"""Small corpora made on the spot; nothing here needs a network."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headwater.core.artifact import Artifact, Work, Workspace
from headwater.core.config import validate
from headwater.core.progress import Reporter
from headwater.corpus.config import Corpus
from headwater.corpus.read.config import PathSource
from headwater.recipe.recipe import Recipe
from headwater.recipe.runner import run


@pytest.fixture
def make_corpus() -> Callable[..., Corpus]:
    """A config that needs no model: languages are told by their scripts."""

    def make(sources: list[dict[str, Any]], **config: Any) -> Corpus:
        return validate(Corpus, {"sources": sources, "language": {"model": None}, **config})

    return make


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Artifact]:
    """The corpus artifact of a config, by all three stages, in a workspace of its own or in one that is named."""

    def build(config: Corpus, workspace: str = "workspace") -> Artifact:
        return run(Recipe(name="test", corpus=config), Workspace(tmp_path / workspace), Reporter(), until="corpus")[-1]

    return build


@pytest.fixture
def work(tmp_path: Path) -> Work:
    path = tmp_path / "corpus.partial"
    path.mkdir()
    return Work(path, {}, 0, Reporter())


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., PathSource]:
    return lambda **fields: PathSource(**{"path": str(tmp_path / "*"), "name": "s", **fields})


@pytest.fixture
def local_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the whole package index, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("HEADWATER_CACHE", str(tmp_path / "cache"))
    return folder
