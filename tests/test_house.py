"""The rules of the house that no room can check for itself: order of imports, light start, docstrings, mirrored tests."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "headwater"
ORDER = [
    "core",
    "corpus",
    "tokens",
    "model",
    "generation",
    "objectives",
    "parallel",
    "training",
    "evaluation",
    "alignment",
    "release",
    "recipe",
    "cli",
]
HEAVY = ("torch", "pyarrow", "numba", "transformers", "resiliparse", "tokenizers", "jinja2")
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, also of those inside functions; `.x` for a relative one."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def test_the_walk_sees_the_package() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0] for path in MODULES if path.parent != PACKAGE}
    assert rooms == set(ORDER), "a room that ORDER does not know, or one that is gone"
    assert len(MODULES) > 60


def test_a_room_imports_only_rooms_above_it() -> None:
    wrong = []
    for path in MODULES:
        if path.parent == PACKAGE:
            continue
        room = path.relative_to(PACKAGE).parts[0]
        for line, name in imports_of(path):
            parts = name.split(".")
            if parts[0] == "headwater" and len(parts) > 1 and parts[1] in ORDER and ORDER.index(parts[1]) > ORDER.index(room):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong


def test_imports_can_be_read_by_the_fingerprint() -> None:
    """A relative or computed import would be invisible to core.fingerprint, and its code would be in no hash."""
    relative = [f"{path}:{line}" for path in MODULES for line, name in imports_of(path) if name.startswith(".")]
    assert not relative
    computed = [
        path.relative_to(PACKAGE).as_posix() for path in MODULES if "import_module(" in path.read_text() or "__import__" in path.read_text()
    ]
    assert computed == ["recipe/runner.py"], "only the runner may look a stage up by name (and it hashes that very name)"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_bytes()))


def test_the_schema_of_all_configs_loads_nothing_heavy() -> None:
    code = f"import sys, headwater.recipe.recipe, headwater.cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_each_test_file_has_its_module() -> None:
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__) and not {"oracles", "faults"} & set(path.parts)]
    modules = [PACKAGE / path.relative_to(ROOT / "tests").with_name(path.name.removeprefix("test_")) for path in tests]
    assert tests
    assert [str(module) for module in modules if not module.exists() and not module.with_suffix("").is_dir()] == []
