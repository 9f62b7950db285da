"""headwater/corpus/read.py and rows.py: what is in a file, under which ids, and every bad input as one sentence."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.core.errors import HeadwaterError
from headwater.corpus.document import Document, batch_of
from headwater.corpus.read.config import PathSource
from headwater.corpus.read.documents import cut, divided, read
from headwater.corpus.read.source import RawFile

Make = Callable[..., PathSource]


def documents(name: str, data: bytes | str, source: PathSource, bad: Counter[str] | None = None) -> list[Document]:
    raw = RawFile(name, data.encode() if isinstance(data, str) else data, f"folder/{name}")
    return list(read(raw, source, Counter() if bad is None else bad))


def texts(name: str, data: bytes | str, source: PathSource) -> list[str]:
    return [document.text for document in documents(name, data, source)]


def parquet(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


TWO = [{"text": "one", "url": "http://x/1", "stars": 3}, {"text": "two", "url": None, "stars": None}]


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.txt", "one\ntwo\n", ["one\ntwo\n"]),
        ("README", "plain", ["plain"]),
        ("a.md", "# Title\n", ["# Title\n"]),
        ("a.jsonl", "\n".join(map(json.dumps, TWO)) + "\n\n", ["one", "two"]),
        ("a.jsonl", '"one"\n["two", "lines"]\n', ["one", "two\nlines"]),
        ("a.json", json.dumps(["one", "two"]), ["one", "two"]),
        ("a.json", json.dumps(TWO), ["one", "two"]),
        ("a.json", json.dumps({"first": "one", "second": "two"}), ["one", "two"]),
        ("a.json", json.dumps([["hi", "hello"], ["how?", "well"]]), ["hi\nhello", "how?\nwell"]),
        ("a.json", json.dumps({"text": "one", "by": "me"}), ["one"]),
        ("a.json", json.dumps({"text": ["one", "two"], "version": 2}), ["one", "two"]),
        ("a.json", '"one"', ["one"]),
        ("a.yml", "- - Are you there?\n  - Yes\n- - {Ada: a pioneer}\n  - 1815\n", ["Are you there?\nYes", "Ada: a pioneer\n1815"]),
        ("a.csv", 'stars,text\n3,"one, with a comma\nand a line"\n\n4,two\n', ["one, with a comma\nand a line", "two"]),
        ("a.tsv", "text\tstars\none\t3\n", ["one"]),
        ("a.parquet", parquet(TWO), ["one", "two"]),
        ("狗.txt", "话说天下大势，分久必合。".encode("gb18030") * 9, ["话说天下大势，分久必合。" * 9]),
    ],
)
def test_formats(name: str, data: bytes | str, expected: list[str], source: Make) -> None:
    assert texts(name, data, source()) == expected


def test_a_page_is_kept_whole_for_the_extraction(source: Make) -> None:
    (page,) = documents("a/b.html", "<p>hi", source())
    assert (page.form, page.text, page.id) == ("html", "<p>hi", "s/a/b.html")


def test_ids_say_where_a_document_stands(source: Make) -> None:
    assert [d.id for d in documents("a.txt", "x", source())] == ["s/a.txt"]
    assert [d.id for d in documents("a.jsonl", '"x"\n\n"y"', source())] == ["s/a.jsonl#1", "s/a.jsonl#2"]
    assert [d.id for d in documents("a.txt", "x\ny", source(divide="y"))] == ["s/a.txt#1", "s/a.txt#2"]
    long = "word " * 60
    assert [d.id for d in documents("a.txt", long, source(longest=200))] == ["s/a.txt#1", "s/a.txt#2"]
    assert [d.id for d in documents("a.json", json.dumps([long, "x"]), source(longest=200))] == [
        "s/a.json#1.1",
        "s/a.json#1.2",
        "s/a.json#2",
    ]


def test_fields_of_a_row_become_the_documents(source: Make) -> None:
    first, second = documents("a.parquet", parquet(TWO), source(license="CC0", language="en"))
    assert (first.url, first.license, first.language, first.meta) == ("http://x/1", "CC0", "en", {"stars": 3})
    assert (second.url, second.meta["stars"]) == (None, None)
    (own,) = documents("a.json", json.dumps([{"text": "x", "language": "fr", "license": "MIT", "n": float("nan")}]), source(license="CC0"))
    assert (own.language, own.license, own.meta) == ("fr", "MIT", {"n": None})


def test_divide_cuts_before_headings_and_keeps_neighbouring_ones_together() -> None:
    play = "TITLE\n\nACT I.\n\nSCENE I. A room.\n\nHamlet.\nTo be.\nSCENE II.\nOr not.\n"
    parts = divided(play, r"^(ACT|SCENE)\b")
    assert parts == ["TITLE\n\n", "ACT I.\n\nSCENE I. A room.\n\nHamlet.\nTo be.\n", "SCENE II.\nOr not.\n"]
    assert "".join(parts) == play


def test_join_packs_rows(source: Make) -> None:
    assert texts("a.txt", "1\r\n2\n\n3\n4\n5", source(join=2)) == ["1\n2", "3\n4", "5"]
    assert texts("a.yml", "- [a, b]\n- [c, d]\n- [e]\n", source(join=2)) == ["a\nb\n\nc\nd", "e"]


def test_replace_comes_first(source: Make) -> None:
    mended = source(replace={r"www\.\S+ ?": "", r"^\s+": "", "\t": " → "}, join=2)
    assert texts("a.txt", "  狗咬吕洞宾\t不识好人心\n  读www.site.com 完\n", mended) == ["狗咬吕洞宾 → 不识好人心\n读完"]


@given(st.text(alphabet="ab .\n。", max_size=300), st.integers(10, 40))
def test_cut_loses_nothing_and_keeps_the_limit(text: str, longest: int) -> None:
    pieces = cut(text, longest)
    assert "".join(pieces) == text
    assert all(len(piece) <= longest for piece in pieces)
    assert len(pieces) <= 1 + len(text) // (longest // 2)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.txt", b"", "folder/a.txt: is empty"),
        ("a.parquet", b"", "folder/a.parquet: is empty"),
        ("a.txt", b"\0\1\2\3" * 99, "folder/a.txt: is binary, not text"),
        ("a.jsonl", '{"text": "ok"}\n{"text": broken}\n', "folder/a.jsonl:2: is not valid JSON"),
        ("a.jsonl", '{"text": "ok"}\n{"text": 5}\n', "folder/a.jsonl:2: the field 'text' holds no text"),
        ("a.jsonl", '{"txt": "ok"}\n', "folder/a.jsonl:1: has no field 'text'; set `text_field:`; did you mean 'txt'"),
        ("a.jsonl", '{"body": "ok"}\n', "known here: body"),
        ("a.jsonl", "7\n", "folder/a.jsonl:1: is no text (int)"),
        ("a.jsonl", '{"text": "a"}\n' + "[" * 100_000, "folder/a.jsonl:2: is not valid JSON"),
        ("a.json", '["one",\n"two"', "folder/a.json:2: is not valid JSON"),
        ("a.json", '{"text": "one"}\n{"text": "two"}', "name it .jsonl"),
        ("a.json", '{"version": 3}', "has no field 'text'"),
        ("a.json", "[" * 100_000, "folder/a.json: is not JSON that can be read"),
        ("a.json", "9" * 5000, "folder/a.json: is not JSON that can be read"),
        ("a.yml", "a: [1\nb: 2", "folder/a.yml:2: is not valid YAML"),
        ("a.yml", "[" * 100_000, "nested more than 100 deep"),
        ("a.csv", "title,body\n1,2\n", "folder/a.csv: has no field 'text'"),
        ("a.csv", "text,stars\none,1\ntwo\n", "folder/a.csv:3: has 1 fields where the header has 2"),
        ("a.parquet", parquet(TWO)[:-40], "folder/a.parquet: is damaged or no Parquet"),
        ("a.parquet", b"hello", "folder/a.parquet: is damaged or no Parquet"),
        ("a.parquet", parquet([{"body": "x"}]), "folder/a.parquet: has no field 'text'"),
        ("a.parquet", parquet([{"text": 5}]), "folder/a.parquet, row 1: the field 'text' holds no text"),
    ],
)
def test_bad_input_is_one_sentence(name: str, data: bytes | str, said: str, source: Make) -> None:
    with pytest.raises(HeadwaterError) as caught:
        documents(name, data, source())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.fault
def test_bad_rows_can_be_skipped_and_are_counted(source: Make) -> None:
    bad: Counter[str] = Counter()
    data = '{"text": "one"}\nbroken\n{"txt": "no"}\n{"text": null}\n{"text": "two"}\n'
    assert [d.text for d in documents("a.jsonl", data, source(on_bad_row="skip"), bad)] == ["one", "two"]
    assert bad == {"s/a.jsonl": 3}


def test_lone_surrogates_do_not_reach_arrow(source: Make) -> None:
    found = documents("a.jsonl", '{"text": "a\\ud800b", "k\\udfff": ["\\ud800", {"x": "\\ud800"}], "url": "\\ud800"}', source())
    assert batch_of(found).column("text").to_pylist() == ["a?b"]


NAMES = ["a.txt", "a.jsonl", "a.json", "a.yml", "a.csv", "a.parquet", "a.html"]
SEEDS = [b'{"text": "one"}\n', parquet(TWO), b"text,b\n1,2\n", b"- a: [b]\n", "好".encode("gb18030"), b"<p><b>x", b"\xff\xfea\0"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(NAMES),
    seed=st.sampled_from(SEEDS),
    noise=st.binary(max_size=80),
    at=st.integers(0, 400),
    drop=st.integers(0, 60),
    skip=st.booleans(),
    join=st.sampled_from([None, 2]),
)
def test_whatever_the_bytes_only_a_sentence_escapes(
    name: str, seed: bytes, noise: bytes, at: int, drop: int, skip: bool, join: int | None, source: Make
) -> None:
    data = seed[:at] + noise + seed[at + drop :]
    said = ""
    found: list[Document] = []
    try:
        found = documents(name, data, source(on_bad_row="skip" if skip else "fail", join=join))
    except HeadwaterError as error:
        said = str(error)
    assert "\n" not in said
    assert batch_of(found).num_rows == len({document.id for document in found}) == len(found)
