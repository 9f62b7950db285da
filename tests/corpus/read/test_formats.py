"""Every reader against hostile input and random damage: documents or one sentence, never another exception, never the memory."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.document import Document, batch_of
from headwater.corpus.read import lines, open, rows
from headwater.corpus.read.config import PathSource
from headwater.corpus.read.documents import documents_in
from headwater.corpus.read.formats import FORMATS, format_of
from headwater.corpus.read.found import Input
from headwater.corpus.read.open import entries
from headwater.corpus.read.units import documents_of, units_of

Documents = Callable[..., list[Document]]


def parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": ["one", "two", None], "n": [1, 2, 3]}), buffer, compression="none")
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def read(name: str, data: bytes, bad: Counter[str] | None = None, **fields: Any) -> list[Document]:
    """As a worker would: whatever the file is packed in is opened."""
    source = PathSource(path="x", name="s", **fields)
    found = []
    for inner, file, where in entries(name, io.BytesIO(data), f"folder/{name}", FORMATS[format_of(name, source)].kept):
        found += documents_in(Input(inner, file, where), source, Counter() if bad is None else bad)
    return found


# --- archives ---------------------------------------------------------------------------------------------------------------------


def test_archives_are_opened_as_streams() -> None:
    files = {"b/z.jsonl": b'"z"\n', "a.txt": b"a"}
    assert [d.id for d in read("x.zip", zipped(files))] == ["s/x.zip/a.txt", "s/x.zip/b/z.jsonl#1"]
    for ending, mode in (("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz"), ("tar.bz2", "w:bz2"), ("tar.xz", "w:xz")):
        assert [d.id for d in read(f"x.{ending}", tarred(files, mode))] == [f"s/x.{ending}/b/z.jsonl#1", f"s/x.{ending}/a.txt"]
    inner = zipped({"c.zip": zipped(files), "d.tar.gz": tarred(files)})
    assert [d.text for d in read("x.zip.gz", gzip.compress(inner))] == ["a", "z", "z", "a"]


@pytest.mark.fault
def test_names_that_lead_out_of_an_archive_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"../out.txt": b"x", "/etc/out.txt": b"x", "a/../../out.txt": b"x", "a\\..\\..\\out.txt": b"x", "fine.txt": b"fine"}
    for name, data in (("x.zip", zipped(files)), ("x.tar.gz", tarred(files))):
        assert [d.text for d in read(name, data)] == ["fine"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault
def test_links_in_archives_are_not_followed() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link.txt")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.txt", "fine")
    assert [d.text for d in read("x.zip", buffer.getvalue())] == ["fine"]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"{kind!r}.txt")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert read("x.tar", buffer.getvalue()) == []


BOMBS = {
    "a.jsonl.gz": gzip.compress,
    "a.jsonl.bz2": bz2.compress,
    "a.jsonl.xz": lzma.compress,
    "a.jsonl.zst": zstandard.ZstdCompressor().compress,
    "a.zip": lambda data: zipped({"a.jsonl": data}),
    "a.tar.gz": lambda data: tarred({"a.jsonl": data}),
    "a.warc.gz": gzip.compress,
    "a.epub": lambda data: zipped({"META-INF/container.xml": data}),
}  # fmt: skip


@pytest.mark.fault
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_end_in_a_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open, "SUSPECT", 4 << 20)
    monkeypatch.setattr("headwater.corpus.read.warc.SUSPECT", 4 << 20)
    line = b'{"text": "' + b"x" * 1000 + b'"}\n'
    record = b"WARC/1.0\r\nWARC-Type: metadata\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000 + b"\r\n\r\n"
    data = BOMBS[name]((record if "warc" in name else line) * 40_000)
    with pytest.raises(HeadwaterError, match=r"unpacks to more than 4 MB, over 200 times its size|is more than 16 MB"):
        read(name, data)


@pytest.mark.fault
def test_a_zip_that_lies_about_its_sizes_is_damaged() -> None:
    data = bytearray(zipped({"a.txt": b"x" * 5000}))
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = (100).to_bytes(4, "little")
    with pytest.raises(HeadwaterError, match=r"a\.zip/a\.txt"):
        read("a.zip", bytes(data))


@pytest.mark.fault
def test_an_archive_that_holds_itself_ends() -> None:
    data = b"x"
    for _ in range(8):
        data = gzip.compress(data)
    with pytest.raises(HeadwaterError, match="nested more than 4 deep"):
        read("a.txt" + ".gz" * 8, data)


# --- texts and rows ----------------------------------------------------------------------------------------------------------------


@pytest.mark.fault
def test_lines_beyond_reason_are_bad_rows(documents: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK", 1000)
    monkeypatch.setattr(lines, "LONGEST_LINE", 5000)
    monkeypatch.setattr(rows, "LONGEST_LINE", 5000)
    data = json.dumps({"text": "one"}) + "\n" + json.dumps({"text": "x" * 20_000}) + "\n" + json.dumps({"text": "y" * 4000}) + "\n"
    bad: Counter[str] = Counter()
    assert [d.text[:1] for d in documents("a.jsonl", data, bad, on_bad_row="skip")] == ["o", "y"]
    assert bad == {"s/a.jsonl": 1}
    with pytest.raises(HeadwaterError, match=r"a\.jsonl:2: is a line of more than"):
        documents("a.jsonl", data)
    with pytest.raises(HeadwaterError, match="is not CSV"):
        documents("a.csv", 'text\n"' + "never closed\n" * 2000)
    assert "".join(d.text for d in documents("a.txt", "z" * 30_000, longest=700)) == "z" * 30_000


@pytest.mark.fault
def test_blocks_do_not_show(documents: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"第{n}回 天下大势，分久必合，合久必分。\r\n\n" for n in range(400))
    forms: list[tuple[str, bytes, dict[str, Any]]] = [
        ("a.txt", text.encode(), {"longest": 333}),
        ("a.txt", text.encode("utf-16"), {"longest": 333}),
        ("a.txt", text.encode("gb18030"), {"divide": "第.*0回"}),
        ("a.txt", text.encode(), {"join": 7, "replace": {"回": "章"}}),
        ("a.jsonl", "\n".join(json.dumps(line, ensure_ascii=False) for line in text.split("\n") if line.strip()).encode(), {}),
        ("a.csv", ("n,text\r\n" + "".join(f'{n},"{line}\n"\r\n' for n, line in enumerate(text.split("\r\n\n")[:-1]))).encode(), {}),
    ]
    whole = [documents(name, data, **fields) for name, data, fields in forms]
    for size in (200, 1001, 4096):
        monkeypatch.setattr(lines, "BLOCK", size)
        assert [documents(name, data, **fields) for name, data, fields in forms] == whole


@pytest.mark.fault
@pytest.mark.parametrize("name", ["a.json", "a.yml", "a.jsonl", "a.html", "a.md", "a.txt", "a.csv"])
@pytest.mark.parametrize("sign", ["[", "{", "<div>", "- ", '{"a":', "((", "&a "])
def test_depth(name: str, sign: str) -> None:
    started = time.process_time()
    said = ""
    try:
        read(name, (sign * 100_000).encode())
    except HeadwaterError as error:
        said = str(error)
    assert "\n" not in said
    assert time.process_time() - started < 5


@pytest.mark.fault
def test_yaml_that_laughs() -> None:
    text = "a0: &a0 [ha, ha]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    started = time.process_time()
    with pytest.raises(HeadwaterError):
        read("a.yml", (text + "text: x\n").encode())
    assert time.process_time() - started < 2


@pytest.mark.fault
def test_one_character_a_hundred_million_times(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 100_000_000)
    source = PathSource(path=f"{tmp_path}/a.txt")
    units = units_of([source], Reporter())
    found = [document for unit in units for document in documents_of(unit, [source], Counter())]
    assert sum(len(document.text) for document in found) == 100_000_000
    assert max(len(document.text) for document in found) == 100_000


@pytest.mark.fault
def test_nul_bytes() -> None:
    bad: Counter[str] = Counter()
    good = b'{"text": "a good line of a file"}\n' * 9
    assert len(read("a.jsonl", good + b'{"text": "a\0b"}\n' + good, bad, on_bad_row="skip")) == 18
    assert bad == {"s/a.jsonl": 1}
    assert [d.text for d in read("a.jsonl", b'"a\\u0000b"')] == ["a\0b"]
    with pytest.raises(HeadwaterError, match=r"folder/a\.txt: is binary"):
        read("a.txt", b"text\0text")


@pytest.mark.fault
def test_lone_surrogates_in_names_texts_and_fields() -> None:
    data = b'{"text": "a\\ud800b", "\\udfff": "\\ud800", "url": "\\udc00"}'
    found = read("a\ud800.jsonl", data)
    assert batch_of(found).column("id").to_pylist() == ["s/a?.jsonl#1"]
    assert [d.text for d in read("a.txt", "a\ud800b".encode("utf-8", "surrogatepass") * 20)] != []


@pytest.mark.fault
def test_a_damaged_byte_in_the_middle_costs_one_row(tmp_path: Path) -> None:
    good = (json.dumps({"text": "天下大势"}, ensure_ascii=False) + "\n").encode()
    bad: Counter[str] = Counter()
    found = read("a.jsonl", good * 5000 + b'{"text": "\xff' + good * 5000, bad, on_bad_row="skip")
    assert len(found) == 9999 and bad == {"s/a.jsonl": 1}


# --- chance ------------------------------------------------------------------------------------------------------------------------


def _mail() -> bytes:
    mail = EmailMessage()
    mail["Subject"], mail["Date"] = "织机", "Fri, 21 Nov 1997 09:55:06 -0600"
    mail.set_content("words")
    mail.add_alternative("<p>words</p>", subtype="html")
    return b"From a\n" + mail.as_bytes() + b"\n\nFrom b\n\nbody\n"


# ruff: noqa: E501 (files as they are)
WARC = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a\r\nContent-Length: 61\r\n\r\n"
WARC += b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>words</p> more\r\n\r\n"
WIKI = b"<mediawiki><siteinfo><base>http://a/b</base></siteinfo><page><title>T</title><ns>0</ns><revision><text>{{a|[[b|c]]}} '''d''' <ref>e</ref> [http://f g] {| h |} == i ==</text></revision></page></mediawiki>"
TEX = b"\\documentclass{a}\\newcommand{\\a}{b}\\title{T}\\begin{document}\\section{A} $x_1$ \\emph{c}% d\n\\begin{itemize}\\item e\\end{itemize}\\input{f}\\end{document}"
PAGE = b'<!doctype html><html><head><meta charset="gbk"><title>T</title></head><body><div><p>words</p><ul><li>x</ul></div></body></html>'
BOOK = {
    "META-INF/container.xml": b'<container><rootfiles><rootfile full-path="o/c.opf"/></rootfiles></container>',
    "o/c.opf": b'<package><metadata><title>T</title></metadata><manifest><item id="a" href="a.xhtml"/></manifest><spine><itemref idref="a"/></spine></package>',
    "o/a.xhtml": PAGE,
}  # fmt: skip
PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>\nendobj\ntrailer << /Size 4 /Root 1 0 R >>\n%%EOF"
FILES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "a.txt": ("一 two\n\nthree。four ".encode() * 9, {"longest": 100}),
    "b.txt": (b"A\n1\nB\n2\n", {"divide": "^[AB]"}),
    "c.txt": (b"A\n1\nB\n2\n", {"join": 2}),
    "a.html": (PAGE, {}),
    "a.md": (b"---\ntitle: x\ndate: 2024-01-02\ntags: [a, {b: c}]\n---\n# T\n\nwords\n", {}),
    "b.md": (b'+++\ntitle = "x"\ndate = 2024-01-02\n+++\n# T\n', {}),
    "a.jsonl": (b'{"text": "one", "url": "u", "n": [1, 2.5, null]}\n["a", "b"]\n"three"\n\n', {}),
    "t.jsonl": (b'{"posts": [{"author": "a", "text": "b", "score": 3}, "c"], "title": "t"}\n', {"thread": {"posts": "posts", "score": "score"}}),
    "a.json": (b'{"text": ["one", {"text": "two"}], "x": 1}', {}),
    "a.yml": (b"text:\n- one\n- [a, b]\n- {c: d}\n", {}),
    "a.csv": (b'n,text\n1,"a\nb"\n2,c\n', {}),
    "a.tsv": (b"n\ttext\n1\ta\n", {}),
    "a.parquet": (parquet(), {}),
    "a.warc": (WARC * 3, {}),
    "a.warc.gz": (gzip.compress(WARC) * 3, {}),
    "a.wet.gz": (gzip.compress(WARC.replace(b"response", b"conversion") * 3), {}),
    "a.pdf": (PDF, {}),
    "a.epub": (zipped(BOOK), {}),
    "a.mbox": (_mail(), {}),
    "w-pages-articles.xml": (WIKI, {}),
    "a.tex": (TEX, {}),
    "p.tar.gz": (tarred({"main.tex": TEX, "f.tex": b"more"}), {"format": "latex"}),
    "a.py": (b"import x\n" * 9, {"format": "code"}),
    "a.jsonl.gz": (gzip.compress(b'"x"\n' * 9), {}),
    "a.jsonl.bz2": (bz2.compress(b'"x"\n' * 9), {}),
    "a.jsonl.xz": (lzma.compress(b'"x"\n' * 9), {}),
    "a.jsonl.zst": (zstandard.ZstdCompressor().compress(b'"x"\n' * 9), {}),
    "x.zip": (zipped({"a.jsonl": b'"x"\n' * 9, "b/c.txt": b"words"}), {}),
    "x.tar": (tarred({"a.jsonl": b'"x"\n' * 9, "b.txt": b"words"}, "w"), {}),
    "x.tar.gz": (tarred({"a.jsonl": b'"x"\n' * 9}), {}),
}  # fmt: skip
OWN = [b"\0", b"\xff\xfe", b"<", b">", b"{", b"[", b'"', b"\\", b"\r\n", b"\n\n", b"\n", b"&", b"&#x0;", b"%", b"$", b"\xed\xa0\x80", b"]]>", b"<!--",
       b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"From ", b"charset=utf-7", b"Content-Length: 99999999999999999999", b"999999999999999999999999",
       b"\x1f\x8b\x08", b"PK\x03\x04", b"WARC/1.0\r\n", b"ustar", b"1e999", b"NaN", b"\\ud800", b"{{", b"}}", b"[[", b"\\begin{", b"---\n"]  # fmt: skip
FEW = 40
"""Cases for each of thirty kinds of files in the fast test."""
Edit = tuple[float, int, bytes]
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.one_of(st.sampled_from(OWN), st.binary(max_size=30))), max_size=6)


def damaged(data: bytes, edits: list[Edit]) -> bytes:
    for where, drop, more in edits:
        place = int(where * len(data))
        data = data[:place] + more + data[place + drop :]
    return data


def survives(name: str, edits: list[Edit], skip: bool) -> None:
    data, fields = FILES[name]
    said, found = "", []
    try:
        found = read(name, damaged(data, edits), on_bad_row="skip" if skip else "fail", **fields)
    except HeadwaterError as error:
        said = str(error)
    assert "\n" not in said
    assert batch_of(found).num_rows == len({document.id for document in found}) == len(found)


@pytest.mark.parametrize("name", FILES)
def test_the_seeds_are_documents(name: str) -> None:
    data, fields = FILES[name]
    assert name == "a.pdf" or read(name, data, on_bad_row="skip", **fields)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=FEW, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(edits=EDITS, skip=st.booleans())
@example(edits=[(0.0, 10**9, b"")], skip=True)
@example(edits=[(0.5, 10**9, b"")], skip=False)
def test_chance_ends_in_documents_or_a_sentence(name: str, edits: list[Edit], skip: bool) -> None:
    survives(name, edits, skip)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(edits=EDITS, skip=st.booleans())
def test_ten_thousand_cases_for_each_reader(name: str, edits: list[Edit], skip: bool) -> None:
    survives(name, edits, skip)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.binary(max_size=300), name=st.sampled_from(sorted(FILES)))
def test_any_bytes_under_any_name(data: bytes, name: str) -> None:
    said = ""
    try:
        batch_of(read(name, data, **FILES[name][1]))
    except HeadwaterError as error:
        said = str(error)
    assert "\n" not in said
