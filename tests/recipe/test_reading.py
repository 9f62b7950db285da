"""headwater/recipe/reading.py: files, what they extend, scales and overrides."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.recipe.reading import find, read, shipped

BASE = """\
# base
name: base
corpus: {sources: [{path: texts/*.txt}]}
tokenizer: {kind: bpe, vocab_size: 500}
tokens: {}
"""
MINE = """\
name: mine
extends: {recipe: base.yaml, blocks: [corpus, tokens]}
tokenizer: {kind: byte}
pretrain: {model: {layers: 8}, steps: 1000}
scales:
  tiny: {pretrain.model.layers: 2, pretrain.model.width: 64, pretrain.model.heads: 2, pretrain.steps: 150}
"""


def write(folder: Path, mine: str = MINE) -> str:
    (folder / "base.yaml").write_text(BASE)
    (folder / "mine.yaml").write_text(mine)
    return str(folder / "mine.yaml")


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_recipe_loads_and_says_what_it_is(name: str) -> None:
    recipe = read(name)
    assert recipe.name == name
    assert find(name).read_text(encoding="utf-8").startswith("# ")
    for scale in recipe.scales:
        assert read(name, scale=scale).name == f"{name}-{scale}"


def test_a_folder_beside_does_not_hide_a_shipped_recipe_and_is_none_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs leave folders named like their recipes where people stand."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find("demo") == shipped()["demo"]
    assert read("demo").name == "demo"
    for name in ("mine", "./demo"):
        with pytest.raises(HeadwaterError, match=r"is a directory, not a recipe; name a \.yaml file in it"):
            read(name)


def test_blocks_are_taken_and_own_ones_stay(tmp_path: Path) -> None:
    recipe = read(write(tmp_path))
    assert recipe.name == "mine"
    assert recipe.corpus is not None
    assert recipe.tokens is not None
    assert recipe.tokenizer is not None
    assert recipe.tokenizer.kind == "byte"


def test_without_blocks_all_are_taken_but_the_name(tmp_path: Path) -> None:
    recipe = read(write(tmp_path, "extends: base.yaml\ntokenizer: {kind: byte}\n"))
    assert (recipe.name, recipe.corpus is not None, recipe.tokenizer and recipe.tokenizer.kind) == ("recipe", True, "byte")


def test_a_scale_changes_what_it_says_and_an_override_changes_that(tmp_path: Path) -> None:
    whole, tiny, both = (
        read(write(tmp_path), overrides, scale) for scale, overrides in ((None, []), ("tiny", []), ("tiny", ["pretrain.steps=300"]))
    )
    assert whole.pretrain and tiny.pretrain and both.pretrain
    assert (whole.name, tiny.name) == ("mine", "mine-tiny")
    assert (whole.pretrain.model.layers, tiny.pretrain.model.layers, both.pretrain.model.layers) == (8, 2, 2)
    assert (whole.pretrain.steps, tiny.pretrain.steps, both.pretrain.steps) == (1000, 150, 300)


@pytest.mark.parametrize(
    ("mine", "scale", "sentence"),
    [
        (MINE, "tiyn", "mine.yaml: scales: there is no scale 'tiyn'; did you mean 'tiny'?"),
        ("extends: base.yaml\n", "tiny", "mine.yaml: has no scales"),
        ("extends: base.yaml\nscales: {tiny: 3}\n", "tiny", "mine.yaml:2: a scale is a mapping of dotted keys to values"),
        (MINE.replace("steps: 150", "stepps: 150"), "tiny", "mine.yaml:6: unknown key 'pretrain.stepps'; did you mean 'steps'?"),
        (MINE.replace("tokens]", "tokns]"), None, "mine.yaml:2: base.yaml has no block 'tokns'; did you mean 'tokens'?"),
        ("extends: [base]\n", None, "mine.yaml:1: extends names a recipe"),
        ("extends: mine.yaml\n", None, "mine.yaml:1: extends mine.yaml, which extends it"),
        ("extends: nosuch.yaml\n", None, "nosuch.yaml: no such file"),
        ("extends: dmeo\n", None, "dmeo: no such recipe; did you mean 'demo'?"),
        ("extends: base.yaml\ncorpus: {sources: [], colour: red}\n", None, "mine.yaml:2: unknown key 'corpus.colour'"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(tmp_path: Path, mine: str, scale: str | None, sentence: str) -> None:
    path = write(tmp_path, mine)
    with pytest.raises(HeadwaterError) as caught:
        read(path, scale=scale)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistake_in_what_is_extended_is_told_where_it_stands(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE.replace("tokens: {}", "tokens: {sise: 3}"))
    with pytest.raises(HeadwaterError, match=r"base\.yaml:5: unknown key 'tokens\.sise'"):
        read(path)
