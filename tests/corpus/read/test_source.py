"""headwater/corpus/source.py: names are stable, order is sorted, mistakes are sentences."""

from __future__ import annotations

import gzip
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry as REGISTERED  # noqa: N812

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.document import Document
from headwater.corpus.read.config import PathSource
from headwater.corpus.read.source import files_of, names_of
from headwater.corpus.read.units import documents_of, units_of


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


class Hub(MemoryFileSystem):
    """Hugging Face's hub, as its filesystem names things, in memory."""

    protocol = "hf"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    down = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("hf://").strip("/") if path.strip("/") else ""

    def unstrip_protocol(self, name: str) -> str:
        return f"hf://{name.strip('/')}"

    def _open(self, path: str, *arguments: Any, **more: Any) -> Any:
        file = super()._open(path, *arguments, **more)
        if Hub.down:
            monkey = RuntimeError("503 Server Error")

            class Broken(type(file)):  # type: ignore[misc]
                def read(self, size: int = -1) -> bytes:
                    raise monkey

            file.__class__ = Broken
        return file


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    fsspec.register_implementation("hf", Hub, clobber=True)
    Hub.store.clear()
    yield Hub()
    Hub.down = False
    REGISTERED.pop("hf", None)


def documents(source: PathSource, **sizes: int) -> list[Document]:
    return [d for unit in units_of([source], Reporter(), **sizes) for d in documents_of(unit, [source], Counter())]


def test_datasets_of_the_hub(hub: Hub) -> None:
    for split in ("train-00000", "train-00001", "test-00000"):
        with fsspec.open(f"hf://datasets/org/tales/data/{split}.parquet", "wb") as file:
            pq.write_table(
                pa.table({"content": [f"{split} row {n}" * 30 for n in range(100)]}), file, row_group_size=20, compression="none"
            )
    source = PathSource(path="hf://datasets/org/tales/data/train-*.parquet", text_field="content", name="tales")
    found = documents(source)
    assert [d.id for d in found[99:101]] == ["tales/train-00000.parquet#100", "tales/train-00001.parquet#1"]
    assert found[0].url == "hf://datasets/org/tales/data/train-00000.parquet"
    assert documents(source, split=3000, group=1000) == found
    assert len(units_of([source], Reporter(), split=3000, group=1000)) > 6
    assert len(source.contents()) == 2


@pytest.mark.fault
def test_a_hub_that_cannot_be_reached_or_breaks_off(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    source = PathSource(path="hf://datasets/org/tales/a.jsonl")
    with pytest.raises(HeadwaterError, match="no such file"):
        documents(source)
    with fsspec.open("hf://datasets/org/tales/a.jsonl", "wb") as file:
        file.write(b'"one"\n')
    assert [d.text for d in documents(source)] == ["one"]
    Hub.down = True
    with pytest.raises(HeadwaterError, match=r"its storage cannot be read \(503 Server Error\)"):
        documents(source)


@pytest.mark.fault
def test_the_hub_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    REGISTERED.pop("hf", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(HeadwaterError, match="huggingface_hub"):
        documents(PathSource(path="hf://datasets/org/tales/*.parquet"))


@pytest.mark.fault
def test_pipes_and_links_to_folders_are_passed_over(tree: Path) -> None:
    os.mkfifo(tree / "pipe.txt")
    (tree / "loop").symlink_to(tree)
    (tree / "dangling.txt").symlink_to(tree / "nowhere")
    (tree / "fine.txt").symlink_to(tree / "a.txt")
    assert [name for name, _ in names_of(PathSource(path=str(tree)))] == ["a.txt", "b.txt", "d.md", "deep/er/c.txt", "e.txt.gz", "fine.txt"]


@pytest.mark.fault
def test_links_out_of_a_tree_of_code_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "repo" / "src").mkdir(parents=True)
    (tmp_path / "secret.py").write_text("password = 1")
    (tmp_path / "repo" / "a.py").write_text("a = 1")
    (tmp_path / "repo" / "src" / "out.py").symlink_to(tmp_path / "secret.py")
    (tmp_path / "repo" / "src" / "in.py").symlink_to(tmp_path / "repo" / "a.py")
    source = PathSource(path=f"{tmp_path}/repo", format="code")
    bad: Counter[str] = Counter()
    found = [d for unit in units_of([source], Reporter()) for d in documents_of(unit, [source], bad)]
    assert [d.id for d in found] == ["repo/a.py", "repo/src/in.py"]
    assert bad == {"repo: links that lead out of the tree": 1}
