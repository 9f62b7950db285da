"""From a name or a file to a Recipe: what it extends is taken in, a scale and overrides are applied, all is validated.

    recipe = read("gpt3", ["pretrain.steps=200"], scale="tiny")

A recipe may take blocks of another and name sizes of itself:

    extends: { recipe: demo, blocks: [corpus, tokens] }   # blocks that this file does not name
    scales:
      tiny: { pretrain.model.layers: 2, pretrain.steps: 60 }

In: a recipe that ships, beside the package in a checkout, inside it when installed from a wheel, or a path. Out: a Recipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headwater.core.config import Lines, apply_override, change, read_mapping, validate
from headwater.core.errors import HeadwaterError, nearest
from headwater.recipe.recipe import Recipe

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped() -> dict[str, Path]:
    """Name and file of every recipe that ships."""
    folder = next((folder for folder in (_PACKAGE / "recipes", _PACKAGE.parent / "recipes") if folder.is_dir()), None)
    return {} if folder is None else {path.stem: path for path in sorted(folder.glob("*.yaml"), key=lambda path: path.stem)}


def find(name: str) -> Path:
    """A recipe by path or by the name of one that ships."""
    if (Path(name).exists() and name not in shipped()) or "/" in name or name.endswith((".yaml", ".yml")):
        return Path(name)
    if name not in shipped():
        raise HeadwaterError("no such recipe", where=name, mend=nearest(name, shipped()))
    return shipped()[name]


def read(name: str, overrides: Sequence[str] = (), scale: str | None = None) -> Recipe:
    """The recipe as it will run. Raises HeadwaterError naming the file and line (or the override) of a mistake."""
    path = find(name)
    data, lines = _whole(path, ())
    if scale is not None:
        _apply_scale(data, lines, scale, path)
    for override in overrides:
        apply_override(data, lines, override)
    return validate(Recipe, data, lines, str(path))


def _whole(path: Path, readers: tuple[Path, ...]) -> tuple[dict[str, Any], Lines]:
    """The file's data with the blocks that it takes from another; `readers` are the files that led here."""
    data, lines = read_mapping(path)
    wanted = data.pop("extends", None)
    if wanted is None:
        return data, lines
    where = lines.get(("extends",), str(path))
    if isinstance(wanted, str):
        wanted = {"recipe": wanted}
    if not isinstance(wanted, dict) or not isinstance(wanted.get("recipe"), str) or set(wanted) - {"recipe", "blocks"}:
        raise HeadwaterError("extends names a recipe", where=where, mend="for example extends: {recipe: demo, blocks: [corpus, tokens]}")
    name = wanted["recipe"]
    beside = path.parent / name
    other = beside if name.endswith((".yaml", ".yml")) and beside.exists() else find(name)
    if other.resolve() in [reader.resolve() for reader in (*readers, path)]:
        raise HeadwaterError(f"extends {name}, which extends it", where=where, mend="let one of them stand alone")
    theirs, their_lines = _whole(other, (*readers, path))
    blocks = wanted.get("blocks") or [key for key in theirs if key not in ("name", "scales")]
    for block in blocks:
        if block not in theirs:
            raise HeadwaterError(f"{name} has no block '{block}'", where=where, mend=nearest(str(block), theirs))
        if block not in data:
            data[block] = theirs[block]
            lines |= {place: line for place, line in their_lines.items() if place[:1] == (block,)}
    return data, lines


def _apply_scale(data: dict[str, Any], lines: Lines, scale: str, path: Path) -> None:
    """Change what the scale says; the recipe's name tells it, so that each scale has a workspace of its own."""
    scales = data.get("scales") or {}
    if not isinstance(scales, dict) or not scales:
        raise HeadwaterError("has no scales", where=path, mend="leave --scale out, or name sizes under scales:")
    if scale not in scales:
        raise HeadwaterError(f"there is no scale '{scale}'", where=f"{path}: scales", mend=nearest(scale, scales))
    if not isinstance(scales[scale], dict):
        raise HeadwaterError("a scale is a mapping of dotted keys to values", where=lines.get(("scales", scale), str(path)))
    for key, value in scales[scale].items():
        where = lines.get(("scales", scale, key), f"{path}: scales.{scale}")
        change(data, lines, str(key), value, where)
    data["name"] = f"{data.get('name', path.stem)}-{scale}"
