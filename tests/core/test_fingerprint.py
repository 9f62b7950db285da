"""The code hash of a stage: moved by code, not by words; found through every import, also inside functions."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.core import fingerprint

ROOT = Path(fingerprint.__file__).parents[1]

TREE = {
    "room/__init__.py": '"""A room."""\n',
    "room/stage.py": '"""A stage."""\nimport numpy as np\nfrom headwater.room import near\nfrom headwater.room.maths import add\n\n\n'
    "def run(x):\n    from headwater.room.lazy import late\n    import headwater.room.plain\n    return late(add(x, near.ONE))\n",
    "room/near.py": "ONE = 1\n",
    "room/maths.py": 'def add(a, b):\n    """Sum."""\n    return a + b  # of two\n',
    "room/lazy.py": "from headwater.room.deep import TWO\n\n\ndef late(x):\n    import yaml\n    return x * TWO\n",
    "room/deep.py": "TWO = 2\n",
    "room/plain.py": "THREE = 3\n",
    "room/stranger.py": "FOUR = 4\n",
}


@pytest.fixture
def code(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """code_of("headwater.room.stage") of TREE with some files changed; the real fingerprint.py, put into that tree."""

    def measure(**changed: str) -> dict[str, str]:
        package = tmp_path / "headwater"
        shutil.rmtree(package, ignore_errors=True)
        for name, text in {**TREE, **{f"room/{key}.py": text for key, text in changed.items()}}.items():
            (package / name).parent.mkdir(parents=True, exist_ok=True)
            (package / name).write_text(text)
        (package / "core").mkdir()
        (package / "__init__.py").touch()
        copy = shutil.copy(fingerprint.__file__, package / "core" / "fingerprint.py")
        spec = importlib.util.spec_from_file_location("fingerprint_in_a_tree", copy)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        result: dict[str, str] = module.code_of("headwater.room.stage")
        return result

    return measure


def test_every_module_on_the_way_and_no_other(code: Callable[..., dict[str, str]]) -> None:
    modules = {name for name in code() if name.startswith("headwater")}
    assert modules == {f"headwater.room.{name}" for name in ("stage", "near", "maths", "lazy", "deep", "plain")}


def test_library_versions_enter_also_lazy_ones(code: Callable[..., dict[str, str]]) -> None:
    libraries = {name: version for name, version in code().items() if not name.startswith("headwater")}
    assert libraries == {"numpy": importlib.metadata.version("numpy"), "yaml": importlib.metadata.version("PyYAML")}


@pytest.mark.parametrize(
    "maths",
    [
        'def add(a, b):\n    """Another word."""\n    return a + b\n',
        '"""Now with a docstring."""\n\n\ndef add(\n    a,\n    b,\n):\n    # other words\n    return (a + b)\n',
        "def add(a, b): return a + b\n",
    ],
)
def test_words_and_layout_change_nothing(code: Callable[..., dict[str, str]], maths: str) -> None:
    before = code()
    after = code(maths=maths, stranger="FOUR = 5\n")
    assert before == after


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("maths", "def add(a, b):\n    return b + a\n"),
        ("near", "ONE = 1.0\n"),
        ("deep", "TWO = 3\n"),
        ("plain", "THREE = '3'\n"),
        ("lazy", "from headwater.room.deep import TWO\n\n\ndef late(x):\n    return x * TWO\n"),
    ],
)
def test_code_changes_its_hash_alone(code: Callable[..., dict[str, str]], module: str, text: str) -> None:
    before, after = code(), code(**{module: text})
    assert {name for name in before if before[name] != after.get(name)} - {"yaml"} == {f"headwater.room.{module}"}


def test_a_text_that_is_no_docstring_counts(code: Callable[..., dict[str, str]]) -> None:
    assert code(near="ONE = 'one'\n") != code(near="ONE = 'two'\n")


def test_each_library_that_headwater_imports_has_a_version() -> None:
    """An import whose distribution is called otherwise would be passed over in silence."""
    unknown = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            tops = {name.split(".")[0] for name in names} - {"headwater"}
            unknown |= {top for top in tops if top not in sys.stdlib_module_names and fingerprint._version(top) is None}
    assert unknown <= {"tensorboard", "transformers", "wandb", "mlflow", "trackio"}, "these are extras and may be absent"


def test_hash_value_reads_the_value_not_its_order() -> None:
    a = {"x": 1, "y": {"p": [1, 2], "q": None}}
    b = {"y": {"q": None, "p": [1, 2]}, "x": 1}
    assert fingerprint.hash_value(a) == fingerprint.hash_value(b)
    others = [
        {"x": 1},
        {"x": 1.5},
        {"x": "1"},
        {"x": True},
        {"x": None},
        {"x": [1]},
        {"x": [2, 1]},
        {"x": [1, 2]},
        {"x": {}},
        {"x": "源头"},
        a,
    ]
    assert len({fingerprint.hash_value(other) for other in others}) == len(others)


def test_hash_value_refuses_what_has_no_order() -> None:
    """A set prints in another order in each process: hashing its text would rerun a stage at random."""
    with pytest.raises(TypeError):
        fingerprint.hash_value({"x": {"a", "b"}})


def test_a_data_file_that_a_module_names_is_part_of_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Word lists and weights shape what comes out as much as code does."""
    folder = tmp_path / "headwater"
    folder.mkdir()
    (folder / "words.py").write_text('LIST = "words.tsv"\n')
    hashes = []
    for content in ("one", "two", "one"):
        (folder / "words.tsv").write_text(content)
        (folder / "other.tsv").write_text(content + "!")
        monkeypatch.setattr(fingerprint, "_source", lambda module: folder / "words.py")
        fingerprint._read.cache_clear()
        hashes.append(fingerprint.code_of("headwater.words"))
    fingerprint._read.cache_clear()
    assert hashes[0] == hashes[2] != hashes[1]
