"""headwater/cli/recipes.py: what ships is listed, and can be printed."""

from __future__ import annotations

import pytest

from headwater.cli.recipes import list_recipes
from headwater.core.errors import HeadwaterError
from headwater.recipe.reading import find, shipped


def test_the_list_says_what_each_recipe_is(capsys: pytest.CaptureFixture[str]) -> None:
    list_recipes(None)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(shipped())
    assert all(len(line.split()) > 3 for line in lines)


def test_one_recipe_is_printed_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    list_recipes("demo")
    assert capsys.readouterr().out == find("demo").read_text(encoding="utf-8")


def test_another_name_is_a_sentence() -> None:
    with pytest.raises(HeadwaterError, match="did you mean 'demo'"):
        list_recipes("dmeo")
