"""headwater/corpus/normalise.py: one normal form, damage undone, meaning untouched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.corpus.document import Document, batch_of, scores_of, texts_of
from headwater.corpus.normalise.config import Normalise
from headwater.corpus.normalise.normal import normal, normalise, repair


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("a  \t\nb\u3000\n", "a\nb"),
        ("\n\n  indented\n\n\n\n\n\nend\n", "  indented\n\n\nend"),
        ("ze\u200bro\ufeff wi\u00addth\u202e", "zero width"),
        ("cafe\u0301", "café"),
        ("\x1b[31mred\x1b[0m\x07 bell\x00", "red bell"),
        ("a\u00a0b", "a b"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
        ("第一回\u3000宴桃园", "第一回\u3000宴桃园"),
        ("“curly” ﬁ ① ＡＢＣ…", "“curly” ﬁ ① ＡＢＣ…"),
        ("\tcode:\n\t\treturn 1", "\tcode:\n\t\treturn 1"),
    ],
)
def test_normal_form(text: str, expected: str) -> None:
    assert normal(text) == expected


@given(st.text(alphabet=st.sampled_from("ab é\u0301\r\n\t\u200b\x1b[0m\x00\u00a0。\u3000"), max_size=60))
def test_normal_form_is_stable(text: str) -> None:
    assert normal(normal(text)) == normal(text)


@pytest.mark.parametrize("wrong", ["latin-1", "cp1252"])
@pytest.mark.parametrize("text", ["Le café était fermé", "l’été — “déjà”", "naïve coöperation", "Größe übermäßig"])
def test_wrong_decoding_is_undone(text: str, wrong: str) -> None:
    broken = text.encode().decode(wrong, errors="ignore")
    if broken.encode(wrong) == text.encode():
        assert repair(f"sound line\n{broken}") == f"sound line\n{text}"


@pytest.mark.parametrize(
    "text", ["Le café était fermé", "DÉJÀ VU à Besançon", "Ünïcode", "三国演义", "naïve “quotes” — dashes…", "São Tomé €5", "ÂME"]
)
def test_sound_text_is_left_alone(text: str) -> None:
    assert repair(text) == text


def test_the_step_says_what_it_mended_and_keeps_every_document() -> None:
    batch = batch_of([Document("a", "cafÃ© au lait", "s"), Document("b", "café", "s"), Document("c", "", "s")])
    found = normalise(batch, Normalise())
    assert texts_of(found) == ["café au lait", "café", ""]
    assert scores_of(found, "repaired").tolist() == [1, 0, 0]
    assert texts_of(normalise(batch, Normalise(repair=False)))[0] == "cafÃ© au lait"
