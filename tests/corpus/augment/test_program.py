"""headwater/corpus/augment/program.py: programs that answer, and those that do not."""

from __future__ import annotations

import sys

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.augment.program import ask

READ = "import json, sys; rows = [json.loads(line) for line in sys.stdin]; "
REQUESTS = [{"id": "a", "text": "你好"}, {"id": "b", "text": "two\nlines\u2028"}]


def run(code: str, timeout: float = 30, requests: list[dict[str, str]] = REQUESTS) -> list[str]:
    return ask([sys.executable, "-c", READ + code], requests, timeout, "paraphrase")


def test_answers_may_come_in_any_order() -> None:
    code = "[print(json.dumps({'id': row['id'], 'text': row['text'] + '!'}, ensure_ascii=False)) for row in rows[::-1]]"
    assert run(code) == ["你好!", "two\nlines\u2028!"]
    assert run("raise SystemExit(3)", requests=[]) == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("sys.exit('no model here')", "ended with code 1: no model here"),
        ("print('hello')", "line 1 of its output"),
        ("print(json.dumps({'id': 'a', 'text': 5}))", "line 1 of its output"),
        ("print(json.dumps({'id': 'a', 'text': 'x'}))", "gave no answer for 'b'"),
    ],
)
def test_programs_that_fail(code: str, message: str) -> None:
    with pytest.raises(HeadwaterError, match=message):
        run(code)


def test_programs_that_are_none_or_slow() -> None:
    with pytest.raises(HeadwaterError, match="cannot be run"):
        ask(["/no/such/program"], REQUESTS, 5, "paraphrase")
    with pytest.raises(HeadwaterError, match=r"took over 0\.2 seconds"):
        run("import time; time.sleep(20)", timeout=0.2)
