"""headwater/corpus/read/thread.py: posts of a thread in their order, by JSONL, Parquet and CSV."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.document import Document

Documents = Callable[..., list[Document]]


ROW = {
    "title": "Looms?",
    "posts": [{"user": "Ada", "body": "What is a loom?", "votes": 5}, {"user": None, "body": "no idea", "votes": -2},
              {"user": "格蕾丝", "body": "一种机器。\n", "votes": 3}, "an aside"],
    "url": "http://forum/1",
    "stars": 4,
}  # fmt: skip
THREAD = {"posts": "posts", "title": "title", "author": "user", "text": "body"}


def parquet(row: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row]), buffer)
    return buffer.getvalue()


def test_a_thread_is_one_document(documents: Documents) -> None:
    (found,) = documents("a.jsonl", json.dumps(ROW), thread=THREAD)
    assert found.text == "Looms?\n\nAda: What is a loom?\n\nno idea\n\n格蕾丝: 一种机器。\n\nan aside"
    assert (found.url, found.meta, found.id) == ("http://forum/1", {"stars": 4}, "s/a.jsonl#1")


def test_posts_below_the_threshold_are_left_out(documents: Documents) -> None:
    (found,) = documents("a.json", json.dumps([ROW]), thread={**THREAD, "score": "votes", "least_score": 3})
    assert found.text == "Looms?\n\nAda: What is a loom?\n\n格蕾丝: 一种机器。\n\nan aside"


def test_other_files_with_rows(documents: Documents) -> None:
    objects = {**ROW, "posts": ROW["posts"][:3]}  # type: ignore[index]
    assert "格蕾丝: 一种机器。" in documents("a.parquet", parquet(objects), thread=THREAD)[0].text
    quoted = json.dumps(ROW["posts"]).replace('"', '""')
    assert documents("a.csv", f'posts,title\n"{quoted}",Looms?\n', thread=THREAD)[0].text.startswith("Looms?\n\nAda")
    dialogue = json.dumps({"turns": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]})
    (found,) = documents("a.jsonl", dialogue, thread={"posts": "turns", "author": "from", "text": "value"})
    assert found.text == "human: Hi\n\ngpt: Hello"


@pytest.mark.fault
@pytest.mark.parametrize("posts", ["no list", 5, [5], [{"other": "x"}], None])
def test_a_row_without_posts_is_a_bad_row(documents: Documents, posts: object) -> None:
    with pytest.raises(HeadwaterError, match=r"a\.jsonl:1: the field 'posts' holds no list of posts with a 'body'"):
        documents("a.jsonl", json.dumps({"posts": posts}), thread=THREAD)
    with pytest.raises(HeadwaterError, match="has no field 'posts'"):
        documents("a.jsonl", "{}", thread=THREAD)
