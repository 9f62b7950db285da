"""headwater/cli/recipes.py: every recipe that ships is one that can be run."""

from __future__ import annotations

import pytest

from headwater.cli.recipes import find_recipe, shipped
from headwater.core.config import load
from headwater.core.errors import HeadwaterError
from headwater.recipe.recipe import Recipe


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_recipe_loads_and_says_what_it_is(name: str) -> None:
    assert load(Recipe, find_recipe(name)).name == name
    assert find_recipe(name).read_text(encoding="utf-8").startswith("# ")


def test_another_name_is_a_sentence() -> None:
    with pytest.raises(HeadwaterError, match="did you mean 'demo'"):
        find_recipe("dmeo")
