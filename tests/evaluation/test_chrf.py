from __future__ import annotations

import pytest

from headwater.evaluation.chrf import chrf


def test_by_hand() -> None:
    # Unigrams: 2 of 3 said, 2 of 4 meant. Bigrams: 1 of 2 said, 1 of 3 meant.
    precision, recall = (2 / 3 + 1 / 2) / 2, (2 / 4 + 1 / 3) / 2
    assert chrf("abx", "abcd", order=2) == pytest.approx(5 * precision * recall / (4 * precision + recall))
    assert chrf("abx", "abcd", order=1, beta=1) == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))


def test_repeating_is_counted_as_often_as_the_reference_says_it() -> None:
    assert chrf("aaaa", "a", order=1, beta=1) == pytest.approx(2 * 0.25 / 1.25)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("text", "reference", "score"),
    [
        ("the cat sat on the mat", "the cat is on the mat", 64.5779420625287),
        ("To be, or not to be", "To be, or not to bee: that is the question", 42.866059541785724),
        ("却说曹操大喜", "却说玄德大喜，遂引兵", 11.313131313131313),
        ("abc", "abcdefgh", 32.250580046403705),
        ("Ab cd", "ab", 20.833333333333336),
        ("the the the the", "the cat", 17.868921870125238),
        ("x", "the", 0.0),
    ],
)
def test_equals_sacrebleu(text: str, reference: str, score: float) -> None:
    """Printed by sacrebleu 2.6.0, `CHRF(word_order=0).sentence_score(text, [reference]).score`."""
    assert 100 * chrf(text, reference) == pytest.approx(score, abs=1e-9)


def test_the_ends_of_the_scale() -> None:
    assert chrf("same words", "same  words") == 1
    assert chrf("", "abc") == chrf("abc", "") == chrf("", "") == 0
