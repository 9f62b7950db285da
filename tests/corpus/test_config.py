"""headwater/corpus/config.py: sources are told apart by their keys, and mistakes are one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headwater.core.config import Config, load, validate
from headwater.core.errors import HeadwaterError
from headwater.corpus.config import Corpus
from headwater.corpus.read.config import PackageSource, PathSource

PACKAGE = {"package": "p", "version": "1", "sha256": "0" * 64, "files": "*"}


class Recipe(Config):
    corpus: Corpus


def test_a_source_is_told_apart_by_its_key() -> None:
    corpus = validate(Corpus, {"sources": [{"path": "a/*.txt"}, PACKAGE]})
    assert [type(source) for source in corpus.sources] == [PathSource, PackageSource]
    assert validate(Corpus, corpus.model_dump(mode="json")) == corpus


def test_sources_can_be_given_on_the_command_line(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"corpus:\n  sources:\n    - {PACKAGE}\n")
    found = load(Recipe, recipe, ["corpus.sources=[{path: my/*.txt}]", "corpus.quality.words.length.min=50"])
    assert found.corpus.sources == [PathSource(path="my/*.txt")]
    assert found.corpus.quality.words.length.min == 50
    assert found.corpus.quality.characters.length.min == 30


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"url": "x"}, "either 'path:'"),
        ({"path": "x", "package": "p"}, "unknown key"),
        ({"path": "x", "dvide": "y"}, "did you mean 'divide'"),
        ({"path": "x", "divide": "("}, "not a regular expression"),
        ({"path": "x", "replace": {"a": r"\1"}}, "no replacement"),
        ({"path": "x", "divide": "y", "join": 3}, "keep one"),
        ({"path": []}, "at least 1"),
        ({**PACKAGE, "sha256": "abc"}, "sha256"),
        ({**PACKAGE, "version": "1 --index-url http://evil"}, "version"),
        ({**PACKAGE, "package": "--evil"}, "package"),
        ({**PACKAGE, "wheel_tags": "linux"}, "wheel_tags"),
    ],
)
def test_a_mistake_is_one_sentence(source: dict[str, object], said: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        validate(Corpus, {"sources": [source]})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_there_must_be_a_source_and_names_must_differ() -> None:
    with pytest.raises(HeadwaterError, match="sources"):
        validate(Corpus, {"sources": []})
    with pytest.raises(HeadwaterError, match="two sources are called 'texts'"):
        validate(Corpus, {"sources": [{"path": "a/texts/*.txt"}, {"path": "b/texts/*.md"}]})


@pytest.mark.parametrize(
    ("path", "label"), [("my/*.txt", "my"), ("books/emma.txt.gz", "emma"), ("*.txt", "files"), ("s3://bucket/x/**/*.gz", "x"), ("./a", "a")]
)
def test_a_source_has_a_name(path: str, label: str) -> None:
    assert PathSource(path=path).label == label


def test_the_contents_of_user_files_enter_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    corpus = validate(Corpus, {"sources": [{"path": str(tmp_path / "*.txt"), "name": "mine"}, PACKAGE]})
    before = corpus.contents()
    assert list(before) == ["mine/a.txt"]
    (tmp_path / "a.txt").write_text("two")
    assert corpus.contents() != before
    (tmp_path / "b.txt").write_text("new")
    assert list(corpus.contents()) == ["mine/a.txt", "mine/b.txt"]


def test_the_config_loads_nothing_heavy() -> None:
    code = "import sys, headwater.corpus.config; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numba", "numpy", "pyarrow", "resiliparse", "ftfy", "fsspec"} & set(loaded)
