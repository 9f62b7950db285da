"""Files in, whole files out; what the disk refuses is a sentence and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import xxhash

from headwater.core import storage
from headwater.core.errors import HeadwaterError


@pytest.mark.fault
def test_a_full_disk_is_a_sentence_and_leaves_the_old_file(disk: Callable[[str], Path]) -> None:
    folder = disk("size=256k")
    storage.write_atomically(folder / "kept.json", "old")
    with pytest.raises(HeadwaterError, match="no space left on the disk; free some and run the same command again") as caught:
        storage.write_atomically(folder / "kept.json", b"x" * (1 << 20))
    assert str(folder) in str(caught.value)
    assert [file.name for file in folder.iterdir()] == ["kept.json"]
    assert (folder / "kept.json").read_text() == "old"


@pytest.mark.fault
def test_a_disk_full_of_small_files_is_the_same_sentence(disk: Callable[[str], Path]) -> None:
    """No inode left: open() fails, not write()."""
    folder = disk("size=256k,nr_inodes=3")
    for number in range(2):
        storage.write_atomically(folder / f"{number}", "x")
    with pytest.raises(HeadwaterError, match="no space left"):
        storage.write_atomically(folder / "one too many", "x")


@pytest.mark.fault
def test_a_limit_on_file_size_leaves_no_half_file(tmp_path: Path) -> None:
    code = (
        "import resource, sys, pathlib; from headwater.core.storage import write_atomically\n"
        "from headwater.core.errors import HeadwaterError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: write_atomically(pathlib.Path(sys.argv[1]), b'x' * 10000)\n"
        "except (HeadwaterError, OSError): sys.exit(7)\n"
    )
    (tmp_path / "f").write_text("old")
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "f")], check=False).returncode == 7
    assert [file.name for file in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_text() == "old"


@pytest.mark.fault
def test_a_forbidden_folder_is_a_sentence(forbidden: Path) -> None:
    with pytest.raises(HeadwaterError, match="may not be written"):
        storage.write_json(forbidden / "x.json", {})


@pytest.mark.parametrize("text", ["No space left on device", "Error writing: os error 28"])
def test_trouble_whose_errno_a_library_hides(tmp_path: Path, text: str) -> None:
    with pytest.raises(HeadwaterError, match="no space left"), storage.disk_trouble(tmp_path):
        raise ValueError(text)
    with pytest.raises(ValueError, match="something else"), storage.disk_trouble(tmp_path):
        raise ValueError("something else")


def test_bytes_go_through_unchanged(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000 + "源头\r\n".encode()  # more than two chunks, and not a whole number of them
    path = tmp_path / "data"
    storage.write_atomically(path, data)
    assert path.read_bytes() == storage.read_bytes(str(path)) == data
    assert storage.hash_file(path) == xxhash.xxh3_128_hexdigest(data)
    assert list(tmp_path.iterdir()) == [path]


def test_json_does_not_depend_on_the_order_of_keys(tmp_path: Path) -> None:
    storage.write_json(tmp_path / "a", {"b": 1, "a": "源"})
    storage.write_json(tmp_path / "b", {"a": "源", "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert storage.read_json(tmp_path / "a") == {"a": "源", "b": 1}


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"a": 1'])
def test_damaged_json_is_a_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(HeadwaterError, match=r"x\.json: is not valid JSON"):
        storage.read_json(tmp_path / "x.json")


def test_a_line_still_being_written_is_no_row(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"a": 1}\n{"a": 2}\n{"a": ')
    assert storage.read_jsonl(tmp_path / "m.jsonl") == [{"a": 1}, {"a": 2}]
    assert storage.read_jsonl(tmp_path / "none.jsonl") == []


@pytest.fixture
def books(tmp_path: Path) -> Path:
    for name in ("b.txt", "a.txt", "c.md", "sub/d.txt", "sub/deep/e.txt", ".hidden.txt", ".git/f.txt", "book [2020].txt"):
        path = tmp_path / "books" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "books"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.txt", ["a.txt", "b.txt", "book [2020].txt"]),
        ("?.txt", ["a.txt", "b.txt"]),
        ("[ab].txt", ["a.txt", "b.txt"]),
        ("sub", ["sub/d.txt", "sub/deep/e.txt"]),
        ("sub/*", ["sub/d.txt"]),
        ("**/e.txt", ["sub/deep/e.txt"]),
        ("b.txt", ["b.txt"]),
        ("book [2020].txt", ["book [2020].txt"]),  # a name with a glob's signs, which exists as it stands
        ("", ["a.txt", "b.txt", "book [2020].txt", "c.md", "sub/d.txt", "sub/deep/e.txt"]),
        (".hidden.txt", [".hidden.txt"]),  # who names it means it
    ],
)
def test_expand(books: Path, pattern: str, names: list[str]) -> None:
    assert storage.expand(f"{books}/{pattern}") == [f"{books}/{name}" for name in names]


def test_expand_says_what_it_did_not_find(books: Path) -> None:
    with pytest.raises(HeadwaterError, match="no file matches"):
        storage.expand(f"{books}/*.pdf")
    with pytest.raises(HeadwaterError, match="no such file"):
        storage.expand(f"{books}/none.txt")
    (books / "empty").mkdir()
    with pytest.raises(HeadwaterError):
        storage.expand(f"{books}/empty")
    with pytest.raises(HeadwaterError):
        storage.expand("nosuchscheme://bucket/x")


def test_expand_of_a_relative_path_and_of_a_folder_below_a_hidden_one(books: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(books)
    assert storage.expand("a.txt") == [f"{books}/a.txt"]
    assert storage.expand(f"{books}/.git") == [f"{books}/.git/f.txt"]


@pytest.mark.parametrize("read", [storage.read_bytes, storage.hash_file])
def test_reading_what_is_no_file_is_a_sentence(tmp_path: Path, read: Callable[[str], object]) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(HeadwaterError, match=os.path.basename(path)):
            read(str(path))
