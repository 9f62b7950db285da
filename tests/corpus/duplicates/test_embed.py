"""headwater/corpus/duplicates/embed.py: every document that is asked for has its vector, whoever made it, or there is one sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.annotated import Annotated
from headwater.corpus.duplicates.config import Duplicates, Hashed, Program
from headwater.corpus.duplicates.embed import Embed, embed, unit
from tests.corpus.duplicates.conftest import one_by_one

Annotate = Callable[..., Annotated]
READ = "import json, sys\nfor line in sys.stdin.buffer:\n    asked = json.loads(line); id, text = asked['id'], asked['text']\n    "
SAY = "print(json.dumps({'id': id, 'vector': vector}))"


def embedded(annotate: Annotate, scratch: Path, texts: list[str], how: Hashed | Program, passed_over: list[int] | None = None,
             parts: int = 2) -> list[Embed]:  # fmt: skip
    annotated = annotate(texts, Duplicates(), parts=parts)
    scratch.mkdir(exist_ok=True)
    np.save(scratch / "over.npy", np.isin(np.arange(len(texts)), passed_over or []))
    return embed(annotated, how, scratch / "over.npy", scratch, one_by_one)


def program(code: str) -> Program:
    return Program(command=[sys.executable, "-S", "-c", READ + code])


def test_a_program_is_asked_for_what_is_not_passed_over(annotate: Annotate, tmp_path: Path) -> None:
    texts = [f"text {'长' * number}" for number in range(7)]
    how = program("vector = [3 * int(id), 4 * int(id), 0]; " + SAY)
    parts = embedded(annotate, tmp_path / "scratch", texts, how, [1, 4], parts=3)
    assert np.concatenate([np.load(part.places) for part in parts]).tolist() == [-1, 2, 3, 5, 6]
    vectors = np.concatenate([np.load(part.vectors) for part in parts])
    assert vectors.dtype == np.float32
    assert vectors == pytest.approx(np.array([[0, 0, 0]] + [[0.6, 0.8, 0]] * 4))
    assert embedded(annotate, tmp_path / "other", texts, how, list(range(7)))[0].places.exists()


def test_parts_and_batches_change_no_bit_of_a_hashed_vector(annotate: Annotate, tmp_path: Path) -> None:
    texts = [f"the {n} of {n * n} and a word that {n % 5} says 第{n}回" for n in range(20)] + ["", "。"]
    one, many = (embedded(annotate, tmp_path / f"s{parts}", texts, Hashed(), [3], parts=parts) for parts in (1, 4))
    for name in ("vectors", "places"):
        whole = np.concatenate([np.load(getattr(part, name)) for part in many])
        assert np.array_equal(np.load(getattr(one[0], name)), whole)
    places = np.load(one[0].places)
    assert places.tolist() == [0, 1, 2, *range(4, 20), -1, -1]
    assert not np.load(one[0].vectors)[-2:].any()


def test_what_is_there_is_not_made_again(annotate: Annotate, tmp_path: Path) -> None:
    log = tmp_path / "log"
    how = program(f"open({str(log)!r}, 'a').write(id + ' '); vector = [1.0]; " + SAY)
    annotated = annotate(["a", "b", "c", "d"], Duplicates(), parts=2)
    over = tmp_path / "over.npy"
    np.save(over, np.zeros(4, bool))
    first = embed(annotated, how, over, tmp_path, one_by_one)
    first[1].places.unlink()
    embed(annotated, how, over, tmp_path, one_by_one)
    assert log.read_text().split() == ["0", "1", "2", "3", "2", "3"]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("vector = [1.0]\n    if id != '1': " + SAY, "gave no answer for '1'; it must answer every line"),
        ("vector = [1.0]; " + SAY + "; " + SAY, "answered twice for '0'; it must answer every line once"),
        ("vector = [1.0]; id = '7'; " + SAY, "answered for '7', of which it was not asked; give back the id of the request"),
        ("vector = [1.0] * (int(id) + 1); " + SAY, "gave a vector of 2 numbers for '1' after one of 1; all vectors must be of one length"),
        ("vector = [1.0] * (int(id) // 2 + 1); " + SAY, "gave vectors of different lengths: 1, 2; it must keep to one model"),
    ],
)
def test_a_program_that_does_not_answer_as_asked(annotate: Annotate, tmp_path: Path, code: str, sentence: str) -> None:
    with pytest.raises(HeadwaterError) as error:
        embedded(annotate, tmp_path / "scratch", ["a", "b", "c", "d"], program(code))
    assert str(error.value).startswith("corpus.duplicates.semantic.embedding: ")
    assert str(error.value).endswith(": " + sentence)
    assert not list((tmp_path / "scratch").glob(".*"))


def test_lengths_that_overflow() -> None:
    assert unit(np.array([3e300, -4e300])) == pytest.approx([0.6, -0.8])
    assert unit(np.array([3e-310, 4e-310])) == pytest.approx([0.6, 0.8])
    assert unit(np.zeros(3)).tolist() == [0, 0, 0]
