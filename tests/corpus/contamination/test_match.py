"""headwater/corpus/contamination/match.py: planted examples, near misses, and a plain reference that shares no code."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.contamination.config import Contamination
from headwater.corpus.contamination.examples import Example
from headwater.corpus.contamination.index import Index, index_of
from headwater.corpus.contamination.match import count, found, marker, match, recheck, rules_of
from headwater.corpus.document import scores_of, spans_of

SHAPE = (13, 20, 8, 12)
QUESTION = (
    "If a train leaves Geneva at nine in the morning and travels at eighty kilometres an hour, when does it arrive in Milan, "
    "which is three hundred and twenty kilometres away?"
)
CHINESE = "小明有十二个苹果，他给了小红五个，又从市场上买了八个，请问小明现在一共有多少个苹果？"
SHORT = "Who wrote the play about the Danish prince?"
FILLER = "The weather was fine and nobody expected anything to happen before lunch. "


def index(*texts: str | tuple[str, ...], sets: Sequence[int] = (), shape: tuple[int, int, int, int] = SHAPE) -> Index:
    rows = [(text,) if isinstance(text, str) else text for text in texts]
    numbers = sets or [0] * len(rows)
    examples = [Example(number, f"e{place}", row) for place, (number, row) in enumerate(zip(numbers, rows, strict=True))]
    return index_of(examples, [f"set{number}" for number in range(max(numbers) + 1)], shape)


def batch(*texts: str) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.string())})


def hits(wanted: Index, *texts: str) -> list[int]:
    return recheck(wanted, texts).tolist()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        str.upper,
        lambda text: text.replace(",", "").replace("?", " !!!"),
        lambda text: text.replace(" ", "\n  "),
        lambda text: "“" + text.replace(" a ", " (a) ") + "”",
        lambda text: " ".join(text.split()[: len(text.split()) // 2]),
        lambda text: " ".join(text.split()[len(text.split()) // 2 :]),
    ],
    ids=["verbatim", "capitals", "punctuation", "lines", "quotes", "first half", "second half"],
)
def test_planted_examples_are_found(change: object) -> None:
    planted = change(QUESTION)  # type: ignore[operator]
    before, clean = FILLER * 3, FILLER * 9
    marked = marker(index(QUESTION))(batch(before + planted + " " + FILLER, clean))
    assert scores_of(marked, "contaminated").tolist() == [len(re.findall(r"\w+", planted)) - 12, 0]
    ((start, end, kind),) = spans_of(marked)[0]
    assert kind == "contamination:set0"
    assert re.findall(r"\w+", (before + planted + " " + FILLER)[start:end]) == re.findall(r"\w+", planted)
    assert 0 < scores_of(marked, "contaminated_share")[0] < 1 and spans_of(marked)[1] == []


def test_chinese_examples_are_found_by_characters() -> None:
    text = "老师出了一道题：" + CHINESE.replace("，", ", ") + "大家想一想。"
    marked = marker(index(CHINESE))(batch(text, CHINESE[:19], "完全不同的一段话，讲的是山水风云和江河湖海，与苹果没有关系。"))
    characters = len(re.findall(r"[\u4e00-\u9fff]", CHINESE))
    assert scores_of(marked, "contaminated").tolist() == [characters - 19, 0, 0]
    ((start, end, _),) = spans_of(marked)[0]
    assert text[start:end] == CHINESE.replace("，", ", ")[:-1]


def test_near_misses_are_none() -> None:
    thirteen = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike"
    words = thirteen.split()
    for place in range(13):
        assert hits(index(thirteen), " ".join([*words[:place], "other", *words[place + 1 :]])) == [0], "12 of 13 words"
    assert hits(index(thirteen), " ".join(words[:12]), " ".join(words[1:]), thirteen) == [0, 0, 1]
    signs = "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉"
    for place in range(20):
        assert hits(index(signs), signs[:place] + "某" + signs[place + 1 :]) == [0]
    assert hits(index(signs), signs) == [1]


def test_a_short_example_is_one_ngram_and_a_shorter_one_cannot_be_looked_for() -> None:
    short = index(SHORT, "Too short to say")
    assert short.sizes.tolist() == [1, 0]
    assert hits(short, f"He asked: {SHORT.lower()} Nobody knew.", "who wrote the play about the danish king", "Too short to say") == [
        1,
        0,
        0,
    ]
    assert index("床前明月光疑是地上霜举头").sizes.tolist() == [1]
    assert index("床前明月光疑是地上霜").sizes.tolist() == [0]


def test_fields_that_are_short_alone_count_together() -> None:
    together = index(("What is the capital of France?", "It is Paris"))
    assert together.sizes.tolist() == [1]
    assert hits(together, "What is the capital of France? It is Paris", "What is the capital of France?") == [1, 0]


def test_words_across_scripts_and_forms() -> None:
    assert hits(index("don't stop believing in the things that we can't see"), "DON’T STOP BELIEVING IN THE THINGS THAT WE CAN’T SEE") == [
        1
    ]
    assert hits(index("ｆｕｌｌ width letters are the same letters as others"), "full width letters are the same letters as others") == [1]
    assert hits(
        index("быстрая коричневая лиса прыгает через ленивую собаку снова"), "БЫСТРАЯ КОРИЧНЕВАЯ ЛИСА ПРЫГАЕТ ЧЕРЕЗ ЛЕНИВУЮ СОБАКУ СНОВА"
    ) == [1]


def test_each_set_has_its_spans_and_a_margin_widens_them() -> None:
    both = index(QUESTION, CHINESE, sets=[0, 1])
    text = FILLER + QUESTION + "\n\n" + CHINESE
    narrow, wide = (spans_of(marker(both, cut)(batch(text)))[0] for cut in (None, 200))
    assert [kind for _, _, kind in narrow] == ["contamination:set0", "contamination:set1"]
    assert [(max(0, start - 200), min(len(text), end + 200), kind) for start, end, kind in narrow] == wide


def test_frequent_ngrams_are_left_out() -> None:
    phrase = "terms and conditions apply to all of the offers that are made on this page today"
    wanted = index(phrase, QUESTION)
    counts = count(
        wanted, [batch(*[f"{number} {phrase}" for number in range(6)]), batch(*[f"{phrase} {number}" for number in range(6)], QUESTION)]
    )
    assert counts.max() == 12 and sorted(set(counts.tolist())) == [1, 12]
    rest = wanted.without(counts >= 10)
    assert rest.sizes.tolist() == [0, wanted.sizes[1]]
    assert hits(rest, phrase, QUESTION) == [0, int(wanted.sizes[1])]


def test_pairs_are_each_ngram_once_a_document() -> None:
    rows, grams = found(match(batch("clean", f"{SHORT} {SHORT}", SHORT), index(SHORT)))
    assert rows.tolist() == [1, 2] and grams.tolist() == [0, 0]
    assert hits(index(SHORT), f"{SHORT} {SHORT}") == [2]


def test_slices_and_many_hits() -> None:
    wanted = index(SHORT)
    assert scores_of(marker(wanted)(batch(SHORT, "x", SHORT).slice(1, 2)), "contaminated").tolist() == [0, 1]
    assert hits(wanted, f"{SHORT} " * 3000) == [3000]


def test_cutting_makes_no_rule() -> None:
    config = {"sets": [{"path": "x", "name": "x"}]}
    (rule,) = rules_of(Contamination.model_validate(config))
    assert (rule.attribute, rule.words.max) == ("contaminated", 0)
    assert rules_of(Contamination.model_validate({**config, "cut": 200})) == rules_of(None) == []


def reference(example: str, text: str, n: int, least: int) -> int:
    """The same by Python's own tuples: words of small letters, no scripts without spaces."""
    own, other = (re.findall(r"[a-z0-9]+", each.lower()) for each in (example, text))
    size = min(n, len(own))
    if len(own) < least:
        return 0
    wanted = {tuple(own[start : start + size]) for start in range(len(own) - size + 1)}
    return sum(tuple(other[start : start + size]) in wanted for start in range(len(other) - size + 1))


WORDS = st.lists(st.sampled_from(["a", "B", "c1", "a,", "-", "B.", "\n"]), max_size=30).map(" ".join)


@pytest.mark.oracle
@settings(deadline=None, max_examples=300)
@given(WORDS, st.lists(WORDS, min_size=1, max_size=3))
def test_kernels_equal_the_reference(example: str, texts: list[str]) -> None:
    wanted = index(example, shape=(4, 4, 2, 2))
    assert hits(wanted, *texts) == [reference(example, text, 4, 2) for text in texts]


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_survived(example: str, text: str) -> None:
    wanted = index(example, shape=(3, 5, 1, 2))
    assert hits(wanted, text + " " + example + " " + text)[0] >= (1 if wanted.sizes[0] else 0)
    assert np.isfinite(scores_of(marker(wanted)(batch(text)), "contaminated_share")).all()
