"""The config idiom: frozen pydantic models, YAML in, dotted overrides, one sentence for a mistake.

    class Optimizer(Config):
        lr: PositiveFloat = 3e-4

    recipe = load(Recipe, "recipes/demo.yaml", ["pretrain.steps=200"])

Unions are discriminated by `kind:`. `config.build(...)` makes the thing that a config describes.

Stages that share a block of the recipe tell with `Since` which of them is the first to read a field; the stages before it are
given the field's default (`as_of`), so that they cannot depend on it and do not run again when it changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from headwater.core.errors import HeadwaterError, nearest


class Config(BaseModel):
    """Base of every config: frozen, unknown keys refused (with the nearest known one)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    SINCE: ClassVar[str | None] = None
    """The stage that is the first to read any config of this class (see Since)."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    hint = nearest(str(key), cls.model_fields)
                    raise PydanticCustomError("unknown_key", "unknown key '{key}'; {hint}", {"key": str(key), "hint": hint})
            return {key: _with_default_kind(cls.model_fields[key], value) for key, value in data.items()}
        return data

    def children(self) -> Iterator[Config]:
        """The configs nested directly in this one, through lists and dicts."""
        for name in type(self).model_fields:
            yield from _configs_in(getattr(self, name))

    def contents(self) -> dict[str, str]:
        """`{path: content hash}` of the user's files that this config names; a config that names files overrides it."""
        found: dict[str, str] = {}
        for child in self.children():
            found.update(child.contents())
        return found


def _with_default_kind(field: FieldInfo, value: Any) -> Any:
    """A block of a union that does not say its kind is of the default's: `schedule: {warmup: 50}`."""
    default = field.default
    if isinstance(value, dict) and "kind" not in value and field.discriminator and isinstance(default, Config):
        return {"kind": default.kind, **value}  # type: ignore[attr-defined]
    return value


def _configs_in(value: object) -> Iterator[Config]:
    if isinstance(value, Config):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _configs_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _configs_in(inner)


C = TypeVar("C", bound=Config)
Lines = dict[tuple[Any, ...], str]  # where each key of a file stands: `file:line`, by its path


@dataclass(frozen=True)
class Since:
    """`threshold: Annotated[float, Since("relate")] = 0.8`: read by the stage `relate` and by those after it."""

    stage: str


def as_of(config: C, stage: str, stages: Sequence[str]) -> C:
    """The config as `stage` sees it: fields of the stages after it (in the order of `stages`) have their defaults."""
    later = set(stages[stages.index(stage) + 1 :])
    seen: dict[str, Any] = {}
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        since = next((mark.stage for mark in field.metadata if isinstance(mark, Since)), getattr(type(value), "SINCE", None))
        seen[name] = field.get_default(call_default_factory=True) if since in later else _inner_as_of(value, stage, stages)
    return config.model_copy(update=seen)


def _inner_as_of(value: Any, stage: str, stages: Sequence[str]) -> Any:
    if isinstance(value, Config):
        return as_of(value, stage, stages)
    if isinstance(value, list | tuple):
        return type(value)(_inner_as_of(inner, stage, stages) for inner in value)
    return {key: _inner_as_of(inner, stage, stages) for key, inner in value.items()} if isinstance(value, dict) else value


def load(schema: type[C], path: str | Path, overrides: Sequence[str] = ()) -> C:
    """Read a YAML file, apply `key.path=value` overrides (values are YAML), validate.

    Raises HeadwaterError naming the file and line (or the override) for anything wrong.
    """
    data, lines = read_mapping(Path(path))
    for override in overrides:
        apply_override(data, lines, override)
    return validate(schema, data, lines, str(path))


def read_mapping(path: Path) -> tuple[dict[str, Any], Lines]:
    """A YAML file's mapping, and where each of its keys stands."""
    data, lines = _parse_yaml(_read_text(path), str(path))
    if data is None:
        raise HeadwaterError("is empty", where=path, mend="a recipe names at least one stage")
    if not isinstance(data, dict):
        raise HeadwaterError("is not a mapping of keys to values", where=path, mend="start from `headwater recipes demo`")
    return data, lines


def validate(schema: type[C], data: Any, lines: Lines | None = None, where: str = "config") -> C:
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        raise _sentence(error, data, lines or {}, where) from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise HeadwaterError("no such file", where=path, mend="`headwater recipes` lists what ships") from None
    except IsADirectoryError:
        raise HeadwaterError("is a directory, not a recipe", where=path, mend="name a .yaml file in it") from None
    except PermissionError:
        raise HeadwaterError("may not be read", where=path, mend="check its permissions") from None
    except UnicodeDecodeError:
        raise HeadwaterError("is not UTF-8 text", where=path, mend="a recipe is a YAML text file") from None


class _Loader(yaml.SafeLoader):
    """YAML without the traps of its version 1.1: `1e-3` is a number, `010` is ten, `no` and `1:30` are words, a date is text."""

    # Only these of YAML 1.1 are kept; the rest follows.
    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own idiom)
        first: [(tag, pattern) for tag, pattern in resolvers if tag.endswith((":null", ":merge"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve("int", r"^[-+]?[0-9][0-9_]*$", "-+0123456789")
_resolve("float", r"^[-+]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|nan)$", "-+0123456789.")
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(str(node.value)))


def _parse_yaml(text: str, where: str) -> tuple[Any, dict[tuple[Any, ...], str]]:
    """The data, and for each path in it the `file:line` where it stands."""
    lines: Lines = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, lines
        _note_lines(node, (), lines, where)
        data = loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        at = where if mark is None else f"{where}:{mark.line + 1}"
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
        raise HeadwaterError(f"not valid YAML ({problem})", where=at, mend="check indentation, colons and quotes") from None
    except (ValueError, RecursionError) as error:  # a tag such as !!int on what is none; an alias inside its own anchor
        problem = "it contains itself" if isinstance(error, RecursionError) else str(error)
        raise HeadwaterError(f"not valid YAML ({problem})", where=where, mend="check its !tags and *aliases") from None
    return data, lines


def _note_lines(node: yaml.Node, path: tuple[Any, ...], lines: Lines, where: str) -> None:
    lines[path] = f"{where}:{node.start_mark.line + 1}"
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise HeadwaterError("a key must be a plain word", where=f"{where}:{key.start_mark.line + 1}", mend="quote what has braces")
            if key.value in seen:
                raise HeadwaterError(f"key '{key.value}' stands twice", where=f"{where}:{key.start_mark.line + 1}", mend="keep one")
            seen.add(key.value)
            _note_lines(value, (*path, key.value), lines, where)
            lines[(*path, key.value)] = f"{where}:{key.start_mark.line + 1}"
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _note_lines(value, (*path, index), lines, where)


def apply_override(data: Any, lines: Lines, override: str) -> None:
    """`key.path=value`, the value in YAML."""
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise HeadwaterError("is not of the form key=value", where=f"override '{override}'", mend="for example pretrain.steps=200")
    where = f"override '{override}'"
    parsed, _ = _parse_yaml(value, where)
    change(data, lines, key, parsed, where)


def change(data: Any, lines: Lines, key: str, value: Any, where: str) -> None:
    """Put `value` at a dotted key, making the blocks on the way; `where` is what a mistake in it is told by."""
    path: tuple[Any, ...] = ()
    target = data
    words = key.split(".")
    for depth, word in enumerate(words):
        part: Any = int(word) if isinstance(target, list) and word.isdecimal() else word
        path = (*path, part)
        inside = isinstance(target, dict) or (isinstance(target, list) and isinstance(part, int) and part < len(target))
        if not inside:
            raise HeadwaterError(f"'{'.'.join(map(str, path[:depth]))}' has nothing at '{part}'", where=where,
                                 mend="name keys of the recipe, with numbers for places in a list")  # fmt: skip
        if depth == len(words) - 1:
            target[part] = value
        elif isinstance(target, dict):
            if target.get(part) is None:
                target[part] = {}
                lines[path] = where
            target = target[part]
        else:
            target = target[part]
    for known in [known for known in lines if known[: len(path)] == path]:
        del lines[known]
    lines[path] = where


def _sentence(error: ValidationError, data: Any, lines: Lines, where: str) -> HeadwaterError:
    """The first validation error as one sentence: file and line, dotted key, what is wrong."""
    first = error.errors()[0]
    path = _path_in(data, first["loc"])
    if first["type"] == "unknown_key":
        path = (*path, first["ctx"]["key"])
    at = next((lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in lines), where)
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    if first["type"] == "unknown_key":
        return HeadwaterError(f"unknown key '{key}'", where=at, mend=first["ctx"]["hint"])
    if first["type"] == "missing":
        return HeadwaterError(f"'{key}.{first['loc'][-1]}' is missing".replace("'.", "'"), where=at, mend="add it")
    if first["type"] == "union_tag_not_found":
        return HeadwaterError(f"'{key}' has no 'kind'", where=at, mend="say which of its kinds is meant, as in {kind: …}")
    if first["type"] == "union_tag_invalid":
        path = (*path, "kind")
        at = next((lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in lines), where)
        known = [tag.strip(" '") for tag in first["ctx"]["expected_tags"].split(",")]
        return HeadwaterError(f"{key}.kind: there is no '{first['ctx']['tag']}'", where=at, mend=nearest(first["ctx"]["tag"], known))
    message = first["msg"].removeprefix("Value error, ")
    given = "" if isinstance(first["input"], dict | list) or first["type"] == "value_error" else f" (given: {first['input']!r})"
    return HeadwaterError(f"{key}: {message[:1].lower()}{message[1:]}{given}" if key else message, where=at)


def _path_in(data: Any, loc: tuple[Any, ...]) -> tuple[Any, ...]:
    """pydantic's `loc` without the names of union members, which are no keys of the user's data."""
    path: list[Any] = []
    for part in loc:
        if (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            path.append(part)
            data = data[part]
    return tuple(path)
