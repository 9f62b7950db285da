"""headwater/corpus/duplicates/program.py: whatever a user's program does, there are answers or one sentence."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.duplicates.config import Duplicates, Program, Semantic
from headwater.corpus.duplicates.program import answers

READ = "import json, sys\nlines = [json.loads(line) for line in sys.stdin.buffer]\n"


def program(code: str, timeout: float = 60) -> Program:
    return Program(command=[sys.executable, "-S", "-c", code], timeout=timeout)


def ask(code: str, texts: list[str], timeout: float = 60) -> list[tuple[int, list[float]]]:
    return [(place, vector.tolist()) for place, vector in answers(program(code, timeout), enumerate(texts), "here")]


def test_answers_come_in_the_program_s_order() -> None:
    code = READ + "for line in lines[::-1]: print(json.dumps({'id': line['id'], 'vector': [len(line['text']), 0.5]}))"
    assert ask(code, ["one", "天地", 'with "quotes"\nand a line']) == [(2, [24.0, 0.5]), (1, [2.0, 0.5]), (0, [3.0, 0.5])]


def test_both_sides_flow() -> None:
    """A program that answers line by line, far more than a pipe holds either way, and one that reads everything first."""
    texts = ["word " * 200] * 3000
    streaming = "import json, sys\nfor line in sys.stdin.buffer: print(json.dumps({'id': json.loads(line)['id'], 'vector': [0.25] * 100}))"
    whole = READ + "for line in lines: print(json.dumps({'id': line['id'], 'vector': [0.25] * 100}))"
    for code in (streaming, whole):
        assert [place for place, _ in ask(code, texts)] == list(range(3000))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("no json", 'line 1 of its output is no {"id", "vector": [numbers]}'),
        ('["0", [1]]', "line 1 of its output is no"),
        ('{"id": 0, "vector": [1.0]}', "line 1 of its output is no"),
        ('{"id": "0"}', "line 1 of its output is no"),
        ('{"id": "0", "vector": 1.0}', "line 1 of its output is no"),
        ('{"id": "0", "vector": []}', "line 1 of its output is no"),
        ('{"id": "0", "vector": [[1.0]]}', "line 1 of its output is no"),
        ('{"id": "0", "vector": [[1.0], [1.0, 2.0]]}', "line 1 of its output is no"),
        ('{"id": "0", "vector": ["1.0"]}', "line 1 of its output is no"),
        ('{"id": "0", "vector": [true]}', "line 1 of its output is no"),
        ('{"id": "0", "vector": [null]}', "line 1 of its output is no"),
        ('{"id": "0", "vector": [1.0, NaN]}', "the vector for '0' is not finite; look at what it makes of that text"),
        ('{"id": "0", "vector": [-Infinity]}', "the vector for '0' is not finite"),
        ('{"id": "-1", "vector": [1.0]}', "answered for '-1', of which it was not asked; give back the id of the request"),
        ('{"id": "²", "vector": [1.0]}', "answered for '²', of which it was not asked"),
    ],
)
def test_what_is_no_answer(answer: str, sentence: str) -> None:
    with pytest.raises(HeadwaterError) as error:
        ask(READ + f"sys.stdout.buffer.write({answer!r}.encode())", ["a"])
    assert str(error.value).startswith("here: " + sentence)


def test_a_program_that_fails_says_why() -> None:
    with pytest.raises(HeadwaterError, match=r"^here: ended with code 3: no model there; run it by hand$"):
        ask("import sys; print('Loading', file=sys.stderr); print('no model there', file=sys.stderr); sys.exit(3)", ["a" * 1_000_000])
    with pytest.raises(HeadwaterError, match=r"^here: ended with code 1: it said nothing; "):
        ask("import os; os._exit(1)", ["a"])
    with pytest.raises(HeadwaterError, match=r"^here: cannot be run \(No such file or directory\); check the command's first word$"):
        list(answers(Program(command=["/nowhere/at/all"]), [(0, "a")], "here"))


@pytest.mark.parametrize("code", ["import time; time.sleep(60)", "import subprocess; subprocess.run(['sleep', '60'])"])
def test_a_program_that_takes_too_long_is_ended_with_its_children(code: str) -> None:
    began = time.monotonic()
    with pytest.raises(HeadwaterError, match=r"^here: took over 0.5 seconds for a part of the corpus; raise its `timeout`"):
        ask(code, ["a"], 0.5)
    assert time.monotonic() - began < 20


def test_trouble_with_the_corpus_is_not_taken_for_the_program_s() -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield 0, "a"
        raise HeadwaterError("the disk is gone")

    code = READ + "for line in lines: print(json.dumps({'id': line['id'], 'vector': [1]}))"
    with pytest.raises(HeadwaterError, match="the disk is gone"):
        list(answers(program(code), broken(), "here"))


def test_who_stops_listening_leaves_no_process_behind() -> None:
    endless = READ + "while True: print(json.dumps({'id': '0', 'vector': [1]}))"
    stream = answers(program(endless), [(0, "a")], "here")
    place, vector = next(stream)
    assert (place, vector.dtype) == (0, np.float64)
    began = time.monotonic()
    stream.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 10


def test_another_program_is_another_recipe(tmp_path: Path) -> None:
    script = tmp_path / "embed.py"
    config = Duplicates(semantic=Semantic(embedding=Program(command=["python", str(script), "--fast"])))
    assert config.contents() == {}
    script.write_text("1")
    first = config.contents()
    script.write_text("2")
    assert list(first) == [str(script)]
    assert config.contents() != first
