"""headwater/corpus/read/code.py: the language by the name, and no rubbish of a tree."""

from __future__ import annotations

import sysconfig
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.corpus.document import Document
from headwater.corpus.read.code import language_of

Documents = Callable[..., list[Document]]


@pytest.mark.parametrize(
    ("name", "language"),
    [("src/a.py", "Python"), ("A.H", "C"), ("x/y.rs", "Rust"), ("Makefile", "Makefile"),
     ("a/CMakeLists.txt", "CMake"), ("b.tsx", "TypeScript"),
     ("c.ipynb", None), ("README", None), ("data.csv", None), ("d.f90", "Fortran")],
)  # fmt: skip
def test_languages(name: str, language: str | None) -> None:
    assert language_of(name) == language


def test_a_file_of_code(documents: Documents) -> None:
    (found,) = documents("pkg/a.py", "print('你好')\n", format="code")
    assert (found.text, found.meta, found.id) == ("print('你好')\n", {"code": "Python", "path": "pkg/a.py"}, "s/pkg/a.py")


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("node_modules/a/b.js", "x", "vendored files"),
        ("third_party/zlib/a.c", "x", "vendored files"),
        ("a.min.js", "x", "minified files"),
        ("a.js", "var a=1;" * 1000, "minified files"),
        ("a.py", b"\x00\x01" * 200, "binary files, or of more than 8 MB"),
        ("a.py", b"\x89PNG\r\n" * 9, "binary files, or of more than 8 MB"),
        ("a.c", "x\n" * (5 << 20), "binary files, or of more than 8 MB"),
        ("a.csv", "a,b", "files that are no code"),
    ],
)
def test_what_is_passed_over_is_counted(documents: Documents, name: str, data: bytes | str, why: str) -> None:
    bad: Counter[str] = Counter()
    assert documents(name, data, bad, format="code") == []
    assert bad == {f"s: {why}": 1}


def test_one_long_line_among_many_is_no_minified_file(documents: Documents) -> None:
    assert len(documents("a.py", "x = 1\n" * 500 + "y = '" + "z" * 2000 + "'\n", format="code")) == 1


def test_the_standard_library_is_code(documents: Documents) -> None:
    folder = Path(sysconfig.get_path("stdlib")) / "json"
    for path in folder.glob("*.py"):
        (found,) = documents(path.name, path.read_bytes(), format="code", longest=10**6)
        assert (found.text, found.meta["code"]) == (path.read_text(), "Python")
