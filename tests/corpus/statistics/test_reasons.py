"""What a rule counted is found in texts marked by hand."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.statistics.reasons import differences, reasons


def found(text: str, rule: str) -> list[str]:
    return [text[start:end] for start, end, _ in reasons(text, rule)]


@pytest.mark.parametrize(
    ("rule", "text", "marked"),
    [
        ("symbols", "a # b... c…… d. e", ["#", "...", "……"]),
        ("gopher.hashes", "#a #b c", ["#", "#"]),
        ("ellipsis_lines", "one…\ntwo... three\nfour...”", ["…", "...”"]),
        ("bullets", "• one\n- two\nthree - four\n  * five", ["•", "-", "  *"]),
        ("placeholders", "Lorem Ipsum dolor, 此处填写姓名", ["Lorem Ipsum", "此处填写"]),
        ("c4.curly_brackets", "if {x}", ["{", "}"]),
        ("letters", "12 a1 -- b ¥5", ["12", "--", "¥5"]),
        ("duplicate_lines", "A\nB\n\nA\nB \nC", ["A", "B "]),
        ("gopher.duplicate_line_characters", "x\nx", ["x"]),
        ("gopher.duplicate_paragraphs", "a\nb\n\nc\n\na\nb", ["a\nb"]),
        ("top_ngram", "Lord attending on X, Lord attending on Y", ["Lord attending on", "Lord attending on"]),
        ("gopher.top_2_gram", "the cat sat, the cat ran. The Cat!", ["the cat", "the cat"]),
        ("top_ngram", "白日依山尽，黄河。白日依山高", ["白日依山", "白日依山"]),
        ("gopher.repeated_5_gram", "a b c d e f g a b c d e f h", ["a b c d e f"]),
        ("repeated_ngrams", "天地玄黄宇宙洪荒日月盈昃辰宿列张。天地玄黄宇宙洪荒日月盈昃辰宿列张。", ["天地玄黄宇宙洪荒日月盈昃辰宿列张。"]),
        ("length", "short", []),
        ("top_ngram", "no word twice here", []),
        ("top_ngram", "", []),
        ("unheard_of", "text", []),
    ],
)
def test_marks(rule: str, text: str, marked: list[str]) -> None:
    assert found(text, rule) == marked


def test_spans_are_ordered_and_apart() -> None:
    text = "a b c d e a b c d e a b c d e " * 20
    for rule in ("top_ngram", "repeated_ngrams", "duplicate_lines"):
        spans = reasons(text, rule)
        assert all(first[1] < second[0] for first, second in itertools.pairwise(spans))


def test_differences_by_words_and_by_characters() -> None:
    def only(text: str, other: str) -> list[str]:
        return [text[start:end] for start, end, _ in differences(text, other)]

    assert only("the old river runs fast", "the river runs very fast") == ["old"]
    assert only("却说曹操引兵大进", "却说玄德引兵大进") == ["曹操"]
    moved = "one two three four. five six seven eight."
    assert only(moved, "five six seven eight. nine. one two three four.") == []
    assert only("new start here. " + moved, moved) == ["new start here."]
    assert only("same text", "same text") == []
    assert only("", "other") == [] and only("mine", "") == ["mine"]


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab \n.…#•天地。")) | st.text(), st.text(st.sampled_from("ab 天")))
def test_marks_lie_in_the_text_and_apart(text: str, other: str) -> None:
    for rule in ("symbols", "bullets", "letters", "duplicate_lines", "duplicate_paragraphs", "top_ngram", "top_2_gram", "repeated_5_gram"):
        spans = reasons(text, rule)
        assert all(0 <= start < end <= len(text) for start, end, _ in spans)
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    assert all(0 <= start < end <= len(text) for start, end, _ in differences(text, other))
    assert differences(text, text) == []
