"""The recipes that ship: beside the package in a checkout, inside it when installed from a wheel."""

from __future__ import annotations

from pathlib import Path

from headwater.core.errors import HeadwaterError, nearest

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped() -> dict[str, Path]:
    folder = next((folder for folder in (_PACKAGE / "recipes", _PACKAGE.parent / "recipes") if folder.is_dir()), None)
    return {} if folder is None else {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_recipe(name: str) -> Path:
    """A recipe by path or by the name of one that ships."""
    if Path(name).exists() or "/" in name or name.endswith((".yaml", ".yml")):
        return Path(name)
    if name not in shipped():
        raise HeadwaterError("no such recipe", where=name, mend=nearest(name, shipped()))
    return shipped()[name]


def list_recipes(name: str | None) -> None:
    if name is not None:
        print(find_recipe(name).read_text(encoding="utf-8"), end="")
        return
    for stem, path in shipped().items():
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        print(f"{stem:<16}{first.lstrip('# ')}")
