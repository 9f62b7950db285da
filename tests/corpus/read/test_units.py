"""headwater/corpus/read/units.py: the documents are the same however the work is divided, and memory stays small."""

from __future__ import annotations

import gzip
import json
import pickle
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.document import Document
from headwater.corpus.read.config import PathSource
from headwater.corpus.read.units import Unit, documents_of, units_of

LARGE = 1 << 40


def read(sources: Sequence[PathSource], bad: Counter[str] | None = None, **sizes: int) -> list[Document]:
    bad_rows = Counter() if bad is None else bad
    units = pickle.loads(pickle.dumps(units_of(sources, Reporter(), **sizes)))
    return [document for unit in units for document in documents_of(unit, sources, bad_rows)]


def plan(source: PathSource, **sizes: int) -> list[Unit]:
    return units_of([source], Reporter(), **sizes)


def ids(documents: list[Document]) -> list[str]:
    return [document.id for document in documents]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "\n \t\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("split", [100, 1000, 7777])
def test_a_split_file_of_lines_reads_as_one(tmp_path: Path, end: str, mark: str, split: int) -> None:
    rows = [json.dumps({"text": f"第{n}行 " + "x" * (n * 37 % 211), "n": n}, ensure_ascii=False) for n in range(300)]
    (tmp_path / "a.jsonl").write_bytes((mark + end + end.join(rows)).encode())
    source = PathSource(path=f"{tmp_path}/a.jsonl")
    whole = read([source], split=LARGE)
    assert len(whole) == 300 and whole[41].id.endswith("#42")
    assert len(plan(source, split=split)) > 2
    assert read([source], split=split) == whole


def test_a_file_of_chinese_in_another_encoding_is_split_as_well(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"天下大势，分久必合，合久必分。第{n}回"}, ensure_ascii=False) for n in range(400)]
    (tmp_path / "a.jsonl").write_bytes("\n".join(lines).encode("gb18030"))
    (tmp_path / "b.jsonl").write_bytes("\n".join(lines).encode("utf-16"))
    source = PathSource(path=f"{tmp_path}/*.jsonl", name="s")
    documents = read([source], split=5000)
    assert [document.text for document in documents] == [json.loads(line)["text"] for line in lines] * 2
    assert len(plan(source, split=5000)) > 4


@pytest.mark.fault
def test_a_bad_row_is_named_by_its_line_and_keeps_its_number_in_every_split(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"line {n}"}) for n in range(200)]
    lines[150] = "{oops"
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    for split in (LARGE, 300):
        with pytest.raises(HeadwaterError, match=r"a\.jsonl:151: is not valid JSON"):
            read([PathSource(path=f"{tmp_path}/a.jsonl")], split=split)
        bad: Counter[str] = Counter()
        documents = read([PathSource(path=f"{tmp_path}/a.jsonl", on_bad_row="skip", name="s")], bad, split=split)
        assert bad == {"s/a.jsonl": 1}
        assert ids(documents)[149:151] == ["s/a.jsonl#150", "s/a.jsonl#152"]


def test_row_groups_are_pieces(tmp_path: Path) -> None:
    table = pa.table({"text": [f"row {n} " * 50 for n in range(1000)], "n": list(range(1000))})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=64, compression="none")
    source = PathSource(path=f"{tmp_path}/a.parquet")
    assert len(plan(source, split=40_000)) > 5
    assert read([source], split=40_000) == read([source], split=LARGE)
    assert ids(read([source], split=40_000))[-1].endswith("#1000")


def test_sections_of_a_text_lose_nothing_and_say_so_in_their_ids(tmp_path: Path) -> None:
    text = "".join(f"{n} 滚滚长江东逝水，浪花淘尽英雄。\n" for n in range(3000))
    (tmp_path / "a.txt").write_text(text)
    source = PathSource(path=f"{tmp_path}/a.txt", longest=500, name="s")
    documents = read([source], split=30_000)
    assert "".join(document.text for document in documents) == text
    assert ids(documents)[0] == "s/a.txt#1.1"
    assert {document.id.split("#")[1].split(".")[0] for document in documents} == {
        str(n + 1) for n in range(len(plan(source, split=30_000)))
    }
    assert len(set(ids(documents))) == len(documents)


def test_what_counts_over_a_file_is_not_split(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("line\n" * 1000)
    (tmp_path / "a.csv").write_text('text\n"a\nb"\n' * 300)
    (tmp_path / "z.jsonl.gz").write_bytes(gzip.compress(b'"x"\n' * 5000))
    for name, fields in {"a.txt": {"join": 7}, "a.csv": {}, "z.jsonl.gz": {}}.items():
        source = PathSource(path=f"{tmp_path}/{name}", **fields)
        assert len(plan(source, split=100)) == 1
        assert read([source], split=100) == read([source], split=LARGE)


def record(number: int, size: int = 0) -> bytes:
    page = f"<p>page {number}</p>".encode() + bytes(str(number % 10), "ascii") * size
    body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page
    head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a/{number}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body + b"\r\n\r\n"


@pytest.mark.parametrize("split", [200, 1111, 5000])
def test_an_archive_is_cut_at_its_members(tmp_path: Path, split: int) -> None:
    (tmp_path / "a.warc.gz").write_bytes(b"".join(gzip.compress(record(number, number % 7 * 100)) for number in range(200)))
    source = PathSource(path=f"{tmp_path}/a.warc.gz")
    whole, pieces = read([source], split=LARGE), read([source], split=split)
    assert [d.text for d in pieces] == [d.text for d in whole]
    assert len(whole) == 200 == len(set(ids(pieces)))
    assert len(plan(source, split=split)) > 3


@pytest.mark.fault
def test_damage_in_a_split_archive_costs_what_is_damaged(tmp_path: Path) -> None:
    members = [gzip.compress(record(number)) for number in range(100)]
    members[50] = members[50][:40] + b"\xff" * 20 + members[50][60:]
    (tmp_path / "a.warc.gz").write_bytes(b"".join(members))
    for split in (LARGE, 2000):
        bad: Counter[str] = Counter()
        found = read([PathSource(path=f"{tmp_path}/a.warc.gz", name="s")], bad, split=split)
        assert [d.text for d in found] == [f"<p>page {number}</p>" for number in range(100) if number != 50]
        assert sum(bad.values()) == 1 and "its compression is broken" in next(iter(bad))


def test_small_files_share_a_unit_and_a_large_zip_is_shared_out(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.txt").write_text("x" * 1000)
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for number in range(20):
            archive.writestr(f"{number:02}.txt", f"{number} " * 500)
    source = PathSource(path=str(tmp_path), name="s")
    units = plan(source, group=5000)
    assert [len(unit.files) for unit in units[:6]] == [5] * 6
    assert sum(unit.archive is not None for unit in units) > 2
    assert read([source], group=5000) == read([source], group=LARGE)
    assert sum(unit.bytes for unit in units) == pytest.approx(sum(path.stat().st_size for path in tmp_path.iterdir()), rel=0.2)


def test_sources_stand_in_their_order(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.txt").write_text(name)
    sources = [PathSource(path=f"{tmp_path}/b.txt"), PathSource(path=f"{tmp_path}/a.txt")]
    assert [document.text for document in read(sources)] == ["b", "a"]


@pytest.mark.fault
def test_two_packings_of_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "z.txt").write_text("one")
    (tmp_path / "z.txt.gz").write_bytes(gzip.compress(b"other"))
    with pytest.raises(HeadwaterError, match=r"z.txt.gz: holds 'z.txt', and so does .*z.txt; leave one out"):
        plan(PathSource(path=str(tmp_path)))


MEASURE = """
import pathlib, re, sys
from collections import Counter
import pyarrow.parquet
from headwater.core.progress import Reporter
from headwater.corpus.read.config import PathSource
from headwater.corpus.read.units import documents_of, units_of

def memory(name):
    return int(re.search(name + r":\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text()).group(1))

sources = [PathSource(path=sys.argv[1], on_bad_row="skip")]
pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
before = memory("VmRSS")
count = size = 0
bad = Counter()
for unit in units_of(sources, Reporter()):
    for document in documents_of(unit, sources, bad):
        count += 1
        size += len(document.text)
print(count, size, (memory("VmHWM") - before) >> 10, sum(bad.values()))
"""


def measured(path: Path) -> tuple[int, int, int, int]:
    """Documents, characters, MB of memory that reading took, bad rows; in a process of its own."""
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    count, size, memory, bad = map(int, done.stdout.split())
    return count, size, memory, bad


def write_large(path: Path, kind: str, megabytes: int) -> None:
    line = json.dumps({"text": "滚滚长江东逝水 the river runs past " * 40}, ensure_ascii=False) + "\n"
    block = line.encode() * ((1 << 20) // len(line.encode()))
    if kind == "jsonl":
        with open(path, "wb") as file:
            for _ in range(megabytes):
                file.write(block)
    elif kind == "jsonl.gz":
        path.write_bytes(gzip.compress(b"".join(json.dumps({"text": f"{n} " * 500}).encode() + b"\n" for n in range(500)), 1) * megabytes)
    elif kind == "parquet":
        table = pa.table({"text": pa.array([f"{n} river " * 1000 for n in range(100 * megabytes)])})
        pq.write_table(table, path, row_group_size=1 << 30, compression="none", use_dictionary=False)
    elif kind == "txt":
        with open(path, "wb") as file:
            for _ in range(megabytes):
                file.write(block)
    else:
        with open(path, "wb") as file:
            for number in range(100 * megabytes):
                file.write(gzip.compress(record(number, 10_000), 1))


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is told by /proc")


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "parquet", "txt", "warc.gz"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str) -> None:
    write_large(tmp_path / f"a.{kind}", kind, 600)
    _, size, memory, bad = measured(tmp_path / f"a.{kind}")
    assert size > 150e6
    assert memory < 300, memory
    assert bad == 0


@LINUX
@pytest.mark.slow
@pytest.mark.fault
def test_a_line_of_a_gigabyte_is_a_bad_row(tmp_path: Path) -> None:
    with open(tmp_path / "a.jsonl", "wb") as file:
        file.write(b'{"text": "before"}\n{"text": "')
        for _ in range(1 << 10):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n{"text": "after"}\n')
    count, size, memory, bad = measured(tmp_path / "a.jsonl")
    assert (count, size, bad) == (2, len("beforeafter"), 1)
    assert memory < 300
