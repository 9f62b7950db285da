from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from headwater.evaluation.memorisation import Match, longest_match, longest_matches

TEXT = st.text("ab曹😀", max_size=14)


def by_trying_all(text: str, documents: list[tuple[str, str]]) -> int:
    pieces = {text[start:stop] for start in range(len(text)) for stop in range(start + 1, len(text) + 1)}
    return max((len(piece) for piece in pieces if any(piece in content for _, content in documents)), default=0)


@settings(deadline=None)  # the first call compiles
@given(st.lists(TEXT, min_size=1, max_size=3), st.lists(TEXT, max_size=4))
@example(["abab", "ba"], ["bab", "aab"])
def test_equals_trying_every_substring(texts: list[str], contents: list[str]) -> None:
    documents = [(str(number), content) for number, content in enumerate(contents)]
    for text, match in zip(texts, longest_matches(texts, documents), strict=True):
        assert match.characters == len(match.text) == by_trying_all(text, documents)
        if match.characters:
            assert match.text in text
            assert match.text in dict(documents)[match.document or ""]


def test_the_document_is_named_and_two_documents_are_not_joined() -> None:
    documents = [("one", "to be or"), ("two", " not to be, that"), ("three", "is 却说曹操大喜 is")]
    assert longest_match("to be or not to be", documents) == Match(10, " not to be", "two")
    assert longest_match("玄德曰：曹操大喜乎", documents) == Match(4, "曹操大喜", "three")


def test_characters_are_not_split_into_bytes() -> None:
    # 曹 and 曺 share two of their three UTF-8 bytes.
    assert longest_match("曺", [("one", "曹")]) == Match(0, "", None)


def test_of_equal_matches_the_first_is_named() -> None:
    assert longest_match("abc", [("one", "xab"), ("two", "ab"), ("three", "bc")]).document == "one"


def test_nothing_to_match() -> None:
    assert longest_match("", [("one", "abc")]) == Match(0, "", None)
    assert longest_match("abc", []) == Match(0, "", None)
