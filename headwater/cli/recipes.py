"""Which recipes ship, and what one says."""

from __future__ import annotations

from headwater.recipe.reading import find, shipped


def list_recipes(name: str | None) -> None:
    if name is not None:
        print(find(name).read_text(encoding="utf-8"), end="")
        return
    for stem, path in shipped().items():
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        print(f"{stem:<16}{first.lstrip('# ')}")
