"""headwater/corpus/privacy/detect.py: labelled sentences, planted truth in real text, and real text with nothing in it."""

from __future__ import annotations

import json
import random
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.document import Document, Span, batch_of, scores_of, spans_of
from headwater.corpus.privacy.config import Privacy
from headwater.corpus.privacy.detect import around, detector, rules_of, settle, spans_in
from headwater.corpus.proof.private import KINDS, planted

LABELLED = Path(__file__).with_name("labelled.jsonl")
FRAGMENTS = [
    "@",
    ".com",
    "13812345678",
    "a",
    "+1",
    " 415 ",
    "passport ",
    "护照",
    "password = '",
    "sk-",
    "://",
    ":",
    "2001:db8::",
    "-----BEGIN ",
    "中",
    "DE89",
]
CHINESE = "却说曹操引军至宛城，张绣投降。\n操大喜，设宴款待，席间谈笑风生，宾主尽欢。\n次日，操引兵回许都。\n" * 3


def labelled(held_out: bool) -> Iterator[tuple[str, set[Span]]]:
    with open(LABELLED, encoding="utf-8") as file:
        for row in map(json.loads, file):
            if row["held_out"] == held_out:
                yield row["text"], {(start, end, kind) for start, end, kind in row["spans"]}


def precision_and_recall(held_out: bool) -> tuple[float, float]:
    right, found, wanted = 0, 0, 0
    for text, spans in labelled(held_out):
        marked = set(spans_in(text, Privacy()))
        right, found, wanted = right + len(marked & spans), found + len(marked), wanted + len(spans)
    return right / found, right / wanted


def batch_with(texts: list[str]) -> pa.RecordBatch:
    return batch_of([Document(id=f"s/{number}", text=text, source="s") for number, text in enumerate(texts)])


def test_the_labelled_sentences_are_what_they_say() -> None:
    rows = [*labelled(False), *labelled(True)]
    assert len(rows) >= 400
    assert sum(not spans for _, spans in rows) >= 200, "hard negatives"
    assert all(0 <= start < end <= len(text) for text, spans in rows for start, end, _ in spans)


def test_sentences_that_the_detector_was_made_with() -> None:
    precision, recall = precision_and_recall(held_out=False)
    assert precision == 1.0 and recall == 1.0


def test_sentences_that_it_was_not_made_with() -> None:
    precision, recall = precision_and_recall(held_out=True)
    assert precision > 0.9 and recall > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_planted_items_are_found_to_the_character(kind: str) -> None:
    stdlib = Path(sysconfig.get_path("stdlib"))
    carriers = [CHINESE, *(stdlib.joinpath(name).read_text(encoding="utf-8")[:4000] for name in ("this.py", "bisect.py", "keyword.py"))]
    draw = random.Random(f"planted {kind}")
    clean = detector(Privacy())(batch_with(carriers))
    assert spans_of(clean) == [[]] * len(carriers)
    rows = [planted(draw.choice(carriers), kind, draw) for _ in range(150)]
    marked = spans_of(detector(Privacy())(batch_with([text for text, _ in rows])))
    right = sum(spans == [span] for spans, (_, span) in zip(marked, rows, strict=True))
    assert right >= 0.97 * len(rows), [
        (text[span[0] - 12 : span[1] + 5], spans) for spans, (text, span) in zip(marked, rows, strict=True) if spans != [span]
    ]


def test_the_gate_misses_nothing() -> None:
    """The checks asked at every place of a text find what they find at the gate's anchors."""
    for text, _ in [*labelled(False), *labelled(True)]:
        everywhere: list[Span] = []
        words = [(start, end) for start in range(len(text)) for end in (start + 1, len(text))]
        for what in (0, 2, 3, 4, 5, 6, 7):
            for start, end in words:
                everywhere += around(text, what, start, end, Privacy(passport=False))
        everywhere += around(text, 1, 0, len(text), Privacy(passport=False))
        kinds = {"phone", "card", "ip", "chinese_id"}
        mine = {span for span in spans_in(text, Privacy(passport=False)) if span[2] in kinds}
        assert mine >= {span for span in settle(everywhere) if span[2] in kinds} - {span for span in everywhere if span[2] not in kinds}, (
            text
        )


def test_a_step_adds_and_deletes_nothing() -> None:
    batch = batch_with(["一二三 li@163.com 和 8.8.8.88", "nothing", ""])
    marked = detector(Privacy())(batch)
    assert marked.column("text").equals(batch.column("text")) and marked.num_rows == 3
    assert scores_of(marked, "privacy").tolist() == [2, 0, 0]
    assert spans_of(marked) == [[(4, 14, "email"), (17, 25, "ip")], [], []]


def test_slices_of_a_batch_count_from_their_own_beginning() -> None:
    batch = batch_with(["a@b.de", "你好 c@d.fr", "x"])
    assert spans_of(detector(Privacy())(batch.slice(1, 2))) == [[(3, 9, "email")], []]


def test_kinds_can_be_turned_off_and_on() -> None:
    text = "Mr. John Smith, js@mail.ru, 192.168.0.1; 姓名：李雷"
    kinds = lambda **config: Counter(kind for _, _, kind in spans_in(text, Privacy(**config)))  # noqa: E731
    assert kinds() == {"email": 1}
    assert kinds(email=False) == {}
    assert kinds(reserved=True) == {"email": 1, "ip": 1}
    assert kinds(name=True) == {"email": 1, "name": 2}


def test_of_two_kinds_the_stricter_check_wins() -> None:
    assert settle([(0, 11, "phone"), (0, 16, "card"), (20, 25, "ip")]) == [(0, 16, "card"), (20, 25, "ip")]


def test_only_a_limit_makes_a_rule() -> None:
    assert rules_of(None) == rules_of(Privacy()) == []
    (rule,) = rules_of(Privacy(most=5))
    assert (rule.attribute, rule.words.max, rule.characters.max) == ("privacy", 5, 5)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=5), max_size=25).map("".join))
def test_any_text_is_survived_and_spans_lie_in_it(text: str) -> None:
    spans = spans_in(text, Privacy(name=True, reserved=True))
    assert all(0 <= start < end <= len(text) for start, end, _ in spans)
    assert all(one[1] <= two[0] for one, two in pairwise(spans))


@pytest.mark.parametrize(
    "piece", ["@", "a@a.b", "1 ", "1.1", "-----BEGIN RSA PRIVATE KEY-----\nA", "password=1aaaaaaaa", "2001:", "Mr. A. "]
)
def test_hostile_text_takes_no_more_than_linear_time(piece: str) -> None:
    """Four times the text takes far less than sixteen times as long."""
    step = detector(Privacy(name=True))
    step(batch_with(["x"]))
    times = []
    for size in (20_000, 80_000):
        hostile = batch_with([(piece * size)[:size]])
        tries = []
        for _ in range(3):  # the least: the first of all may load a module, and another program may have the caches
            start = time.process_time()
            step(hostile)
            tries.append(time.process_time() - start)
        times.append(min(tries))
    assert times[1] < max(12 * times[0], 0.3)
