"""headwater/corpus/source.py: names are stable, order is sorted, mistakes are sentences."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.config import PathSource
from headwater.corpus.read.source import files_of


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.txt", "a.txt", "deep/er/c.txt", "d.md"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(name)
    (tmp_path / "data" / ".hidden.txt").write_text("no")
    (tmp_path / "data" / "e.txt.gz").write_bytes(gzip.compress(b"e.txt.gz"))
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.txt", ["a.txt", "b.txt"]),
        ("**/*.txt", ["a.txt", "b.txt", "deep/er/c.txt"]),
        ("", ["a.txt", "b.txt", "d.md", "deep/er/c.txt", "e.txt"]),
        ("b.txt", ["b.txt"]),
        ("deep/*/c.txt", ["er/c.txt"]),
        ("*.gz", ["e.txt"]),
        ("[ab].txt", ["a.txt", "b.txt"]),
    ],
)
def test_files_are_named_below_the_fixed_part(tree: Path, pattern: str, names: list[str]) -> None:
    files = list(files_of(PathSource(path=f"{tree}/{pattern}")))
    assert [file.name for file in files] == names
    assert all(file.data for file in files)


def test_names_do_not_depend_on_where_the_folder_is(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absolute = [file.name for file in files_of(PathSource(path=f"{tree}/**/*.txt"))]
    monkeypatch.chdir(tree.parent)
    assert [file.name for file in files_of(PathSource(path="data/**/*.txt"))] == absolute
    assert [file.name for file in files_of(PathSource(path="./data/**/*.txt"))] == absolute
    shutil.move(tree, tree.parent / "moved")
    assert [file.name for file in files_of(PathSource(path="moved/**/*.txt"))] == absolute


def test_a_file_named_twice_is_read_once_and_two_of_one_name_are_refused(tree: Path) -> None:
    assert [file.name for file in files_of(PathSource(path=[f"{tree}/a.txt", f"{tree}/*.txt"]))] == ["a.txt", "b.txt"]
    (tree / "deep" / "a.txt").write_text("another")
    with pytest.raises(HeadwaterError, match=r"both called 'a\.txt'"):
        list(files_of(PathSource(path=[f"{tree}/a.txt", f"{tree}/deep/*.txt"])))


def test_other_filesystems_are_read() -> None:
    import fsspec

    with fsspec.open("memory://bucket/x/a.txt", "wb") as file:
        file.write(b"from memory")
    (found,) = files_of(PathSource(path="memory://bucket/x/*.txt"))
    assert (found.name, found.data, found.url) == ("a.txt", b"from memory", "memory:///bucket/x/a.txt")


def test_missing_files_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(HeadwaterError, match="no such file"):
        list(files_of(PathSource(path=str(tmp_path / "none.txt"))))
    with pytest.raises(HeadwaterError, match="no file matches"):
        list(files_of(PathSource(path=str(tmp_path / "*.txt"))))


def test_two_packings_of_one_name_are_not_one_document(tmp_path: Path) -> None:
    (tmp_path / "z.txt").write_text("one")
    (tmp_path / "z.txt.gz").write_bytes(gzip.compress(b"other"))
    with pytest.raises(HeadwaterError, match=r"z.txt.gz: holds 'z.txt', and so does .*z.txt; leave one out"):
        list(files_of(PathSource(path=str(tmp_path))))
