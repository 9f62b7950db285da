"""What code a stage depends on, found by reading imports, so that nobody has to remember to declare it.

The code of a stage is its own module and every `headwater` module that it imports, directly or not, at the top or
inside a function. It is hashed as syntax (comments, docstrings and layout change nothing), with the data files beside it that
it names and the versions of the libraries imported on the way.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from typing import Any

import xxhash

PACKAGE = "headwater"
# These speak to people, to the disk or of the machine; they cannot change what a stage computes.
SILENT = frozenset(
    f"{PACKAGE}.{name}"
    for name in (
        *("core.errors", "core.progress", "core.hardware", "core.artifact", "core.fingerprint", "core.peak", "core.energy"),
        *("training.sinks", "training.alerts", "training.watch_config"),
    )
)
# Import names whose distribution is called otherwise.
DISTRIBUTIONS = {"yaml": "PyYAML", "fasttext": "fasttext-predict"}


def hash_value(value: Any) -> str:
    """xxh3-128 of a JSON-able value, independent of key order."""
    import json

    return xxhash.xxh3_128_hexdigest(json.dumps(value, sort_keys=True, ensure_ascii=False).encode())


def code_of(module: str) -> dict[str, str]:
    """`{headwater module: syntax hash, library: version}` for a module and all that it imports."""
    modules, libraries = closure_of(module)
    return {**modules, **{name: version for name in libraries if (version := _version(name))}}


def closure_of(module: str) -> tuple[dict[str, str], set[str]]:
    """`{headwater module: syntax hash}` of a module and all that it imports, and the names of the libraries imported on the way."""
    modules: dict[str, str] = {}
    libraries: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in modules or name in SILENT:
            continue
        modules[name], imports = _read(name)
        for imported in imports:
            if imported.split(".")[0] == PACKAGE:
                waiting.append(imported)
            else:
                libraries.add(imported.split(".")[0])
    return modules, libraries


@functools.cache
def _read(module: str) -> tuple[str, tuple[str, ...]]:
    """Syntax hash of one module and the dotted names of the modules that it imports."""
    tree = ast.parse(_source(module).read_bytes())
    imports: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                imports.append(inner if node.module.startswith(PACKAGE) and _is_module(inner) else node.module)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    digest = xxhash.xxh3_128(ast.dump(tree).encode())
    for file in _files_named_in(tree, _source(module).parent):
        digest.update(file.read_bytes())
    return digest.hexdigest(), tuple(dict.fromkeys(imports))


def _files_named_in(tree: ast.AST, folder: Path) -> list[Path]:
    """Files beside a module that it names in its code (word lists, weights): they shape what it computes."""
    words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return sorted(file for file in folder.iterdir() if file.name in words and file.is_file())


def _source(module: str) -> Path:
    base = Path(__file__).parents[2].joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def _is_module(name: str) -> bool:
    return _source(name).exists()


def _version(library: str) -> str | None:
    if library in sys.stdlib_module_names:
        return None
    try:
        return importlib.metadata.version(DISTRIBUTIONS.get(library, library))
    except importlib.metadata.PackageNotFoundError:
        return None
