"""headwater/corpus/quality/sets.py and its kernels (characters, units, lines): equal to plain Python, value for value."""

from __future__ import annotations

import inspect
import random
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headwater.corpus.document import Document, batch_of, buffers_of
from headwater.corpus.quality.config import Quality
from headwater.corpus.quality.measure import attributes
from headwater.corpus.quality.texts import Tables, Texts
from tests.corpus.quality import reference

CONFIG = Quality(rules=["headwater", "gopher", "fineweb"])
TABLES = Tables(CONFIG)
MIXED = "Gopher 的规则用空格分词。\n\n中文没有空格，the rule of words fails, and that is to be mended……\n- 第一\n- 第二\n#标签# end…\n"
NOVEL = """却说玄德引关、张来见朱儁，儁待之甚厚，合兵一处，进讨张宝。
是时曹操自跟皇甫嵩讨张梁，大战于曲阳。这里朱儁进攻张宝。
却说玄德引关、张来见朱儁，儁待之甚厚，合兵一处。
"""
ODD = [
    "",
    " ",
    "\n",
    "\n\n",
    "\n a \n",
    "a\r\nb\rc\x0bd\u2028e\x85f",
    "...",
    "....... … …… ......",
    "# # #\n#",
    "\x00\x01 \x1c\x1d",
    "a\n\n\n\nb\n\na\n \na\n\n",
    "İstanbul LOREM IPSUM ıpsum loreM ipſum",
    "🙂 🙂 🙂 👩‍👩‍👧‍👦",
    "  lead\n\n  lead\n\nlead  \n\n\n",
    "½ Ⅻ ② a_b _ __",
    "·  x\n–\ty\n*z\n•\n-",
    "\ufeffx\u200b y",
    "\U00020000\U0001f600\U0010ffff",
    "。。。\n」」」\n……\n…)",
    "ก็ไม่ใช่ ภาษาไทย",
    "།་ བོད",
    "x" * 1001 + " y\n" + "字" * 1001,
    "a b " * 500,
    "天下" * 500,
]


def python_sources() -> list[str]:
    """Real English of a kind: docstrings and code that this Python carries."""
    return [inspect.getsource(module)[:6000] for module in (re, random, inspect)] + [inspect.cleandoc(random.__doc__ or "")]


def measured(texts: list[str]) -> list[dict[str, float]]:
    """The kernels on all of the texts at once."""
    batch = batch_of([Document(str(number), text, "s") for number, text in enumerate(texts)])
    found = attributes(Texts(*buffers_of(batch), TABLES), CONFIG)
    return [{name: float(values[row]) for name, values in found.items()} for row in range(len(texts))]


def expected(text: str) -> dict[str, float]:
    sets = {"": reference.headwater(text), "gopher.": reference.gopher(text), "fineweb.": reference.fineweb(text)}
    return {
        "spaceless": reference.spaceless(text),
        **{prefix + name: value for prefix, values in sets.items() for name, value in values.items()},
    }


@pytest.mark.parametrize("texts", [[MIXED, NOVEL, *ODD], [], ["a"]], ids=["many", "none", "one"])
def test_kernels_equal_plain_python(texts: list[str]) -> None:
    for text, found in zip(texts, measured(texts), strict=True):
        assert found == expected(text), text[:80]


def test_kernels_equal_plain_python_on_real_text() -> None:
    texts = python_sources()
    for text, found in zip(texts, measured(texts), strict=True):
        assert found == expected(text)
        assert found["gopher.repeated_5_gram"] < 1 and found["length"] > 10


PIECES = st.sampled_from(
    [
        "a",
        "b",
        "ab",
        " ",
        "  ",
        "\n",
        "\n\n",
        "...",
        "…",
        "。",
        "天",
        "下",
        "天下",
        "- ",
        "#",
        "the",
        "of",
        "\r\n",
        "\x85",
        "”",
        ".",
        "1",
        "é",
        "A",
        "\t",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=40), min_size=1, max_size=3))
@example(["a a a a a a a a a a a a"])
@example(["天下天下天下天下天下天下天下天下天下天下"])
@example(["…\n…a\n……\n"])
def test_kernels_equal_plain_python_on_odd_text(texts: list[str]) -> None:
    texts = [re.sub("[\ud800-\udfff]", "?", text) for text in texts]
    for text, found in zip(texts, measured(texts), strict=True):
        assert found == expected(text), repr(text)


def test_gopher_by_hand() -> None:
    found = measured(["a b c d e x\na b c d e y\n\na b c d e x"])[0]
    assert found["gopher.top_2_gram"] == pytest.approx(3 * len("a b") / 36)
    assert found["gopher.repeated_5_gram"] == pytest.approx(10 / 36)
    assert found["gopher.duplicate_lines"] == pytest.approx(1 / 3)
    assert found["gopher.duplicate_line_characters"] == pytest.approx(11 / 36)
    assert found["gopher.duplicate_paragraphs"] == 0


def test_only_what_is_asked_for_is_measured() -> None:
    config = Quality(rules=["fineweb"])
    data = np.frombuffer(b"Some text.", np.uint8)
    texts = Texts(data, np.array([0, len(data)], np.int64), Tables(config))
    assert set(attributes(texts, config)) == {"spaceless", *(f"fineweb.{name}" for name in reference.fineweb(""))}
    assert "units" not in vars(texts) and "matches" not in vars(texts)


def test_a_slice_of_a_batch_is_measured_as_itself() -> None:
    batch = batch_of([Document(str(number), text, "s") for number, text in enumerate(["first one", MIXED, NOVEL])])
    found = attributes(Texts(*buffers_of(batch.slice(1, 2)), TABLES), CONFIG)
    assert [found["length"][row] for row in (0, 1)] == [expected(text)["length"] for text in (MIXED, NOVEL)]


def test_cut_utf8_is_no_trouble() -> None:
    data = np.frombuffer("天下".encode()[:-1], np.uint8)
    assert Texts(data, np.array([0, len(data)], np.int64), TABLES).points.tolist() == [ord("天")]
