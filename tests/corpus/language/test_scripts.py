"""headwater/corpus/language/scripts.py: against regular expressions on Python strings."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.document import Document, batch_of, buffers_of
from headwater.corpus.language import scripts

LETTER = re.compile(r"[^\W\d_]")


def scan(*texts: str, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    return scripts.scan(*buffers_of(batch_of([Document(str(n), text, "s") for n, text in enumerate(texts)])), least)


@given(st.lists(st.text(alphabet=st.sampled_from("aé1 \n.中文字國国あア한ไทยяωعא咗唔𠀀😀"), max_size=40), max_size=5))
@settings(deadline=None)  # the first call may compile
def test_counts_and_lines(texts: list[str]) -> None:
    counts, lines = scan(*texts, least=2)
    for document, text in enumerate(texts):
        assert counts[document, scripts.LETTERS] == len(LETTER.findall(text))
        assert counts[document, scripts.HAN] == len(re.findall("[\u4e00-\u9fff\U00020000-\U0002ffff]", text))
        assert counts[document, scripts.KANA] == len(re.findall("[あア]", text))
        assert counts[document, scripts.SIMPLIFIEDS] == text.count("国")
        assert counts[document, scripts.TRADITIONALS] == text.count("國")
        assert counts[document, scripts.CANTONESES] == len(re.findall("[咗唔]", text))
        rows = [row for row in lines.tolist() if row[0] == document]
        long = [line for line in text.split("\n") if len(LETTER.findall(line)) >= 2]
        assert [text[start:end] for _, start, end, _, _ in rows] == long
        assert [letters for *_, letters in rows] == [len(LETTER.findall(line)) for line in long]
        alone = scripts.count_scripts(text)
        # A newline is of no script, and ends a line before it is counted.
        assert (alone[1:] == counts[document, 1:]).all()


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("plain words", scripts.LATIN),
        ("用 Python 写程序，打印出来", scripts.HAN),
        ("吾輩は猫である", scripts.KANA),
        ("日本国憲法第九条の規定", scripts.KANA),
        ("他说の是日文字母，这里只有一个，其余的全都是中文", scripts.HAN),
        ("안녕하세요 hi", scripts.HANGUL),
        ("สวัสดีครับ", scripts.THAI),
        ("Все семьи", scripts.CYRILLIC),
        ("ποτάμι", scripts.GREEK),
        ("مرحبا بالعالم", scripts.ARABIC),
        ("שלום", scripts.HEBREW),
        ("नमस्ते", scripts.INDIC),
        ("123 --", scripts.NONE),
        ("", scripts.NONE),
    ],
)
def test_the_script_of_most_letters(text: str, script: int) -> None:
    assert scripts.leading(scripts.count_scripts(text)) == script
