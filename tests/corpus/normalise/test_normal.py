"""headwater/corpus/normalise/normal.py: one normal form, damage undone, meaning untouched."""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.document import WORKING, Document, batch_of, scores_of, spans_of, texts_of
from headwater.corpus.normalise.config import Homographs, Normalise
from headwater.corpus.normalise.homoglyphs import fold
from headwater.corpus.normalise.normal import normal, normaliser, repair, warnings_of
from tests.heard import Heard


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


@settings(deadline=None)
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


ODD = "ab é\u0301\r\n\n\n\t\u200b\u200c\u200d\x1b[0m]\x07\x9b\x00\x85\x1f\u00a0。\u3000\u2028中文ÃÂ©€аοкωя😀\u212b\u1100\u1161\u0958"


@given(st.lists(st.text(alphabet=st.sampled_from(ODD), max_size=30), min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)  # the first call may compile
def test_the_step_is_the_plain_functions_whatever_the_gate_lets_by(texts: list[str]) -> None:
    """The gate reads bytes and the functions regular expressions: they must agree on what is to be done."""
    batch = batch_of([Document(str(n), text, "s") for n, text in enumerate(texts)])
    found = normaliser(Normalise(homoglyphs=False))(batch)
    assert texts_of(found) == [normal(repair(text)) for text in texts]
    assert [count > 0 for count in scores_of(found, "normalise.form")] == [repair(text) != normal(repair(text)) for text in texts]
    assert texts_of(normaliser(Normalise(repair=False))(found.select(batch.schema.names))) == [fold(text)[0] for text in texts_of(found)]


@pytest.mark.parametrize(
    ("text", "count"),
    [("a\r\nb\r\n", 3), ("a\u200bb\u200bc", 2), ("x  \ny", 2), ("cafe\u0301", 1), ("\x1b[1;31mred\x1b[0m", 11), ("a\u00a0b", 1),
     ("a\n\n\n\n\nb", 2), ("clean\n\n\ntext", 0), ("\u212b", 1), ("\x1b]0;title\x07$ ls", 10)],
)  # fmt: skip
def test_the_step_counts_what_it_changed(text: str, count: int) -> None:
    found = normaliser(Normalise())(batch_of([Document("a", "clean", "s"), Document("b", text, "s")]))
    assert scores_of(found, "normalise.form").tolist() == [0, count]
    assert texts_of(found)[1] == normal(text)


def test_repair_counts_characters_and_may_be_off() -> None:
    batch = batch_of([Document("a", "cafÃ© au lait", "s"), Document("b", "“déjà vu”", "s"), Document("c", "ä½ å¥½ä¸–ç•Œ", "s")])
    found = normaliser(Normalise())(batch)
    assert texts_of(found)[:2] == ["café au lait", "“déjà vu”"] and found.column("id").equals(batch.column("id"))
    assert scores_of(found, "normalise.repair").tolist()[:2] == [2, 0]
    assert texts_of(normaliser(Normalise(repair=False))(batch))[0] == "cafÃ© au lait"
    assert "scores.normalise.repair" not in normaliser(Normalise(repair=False))(batch).schema.names


def test_what_a_repair_brings_to_light_is_seen_to_as_well() -> None:
    broken = "ｗｉｄｅ\u200b “ｘ”".encode().decode("latin-1")
    found = normaliser(Normalise(width="letters", punctuation="straight"))(batch_of([Document("a", broken, "s")]))
    assert texts_of(found) == ['wide "x"']


def test_clean_text_keeps_its_very_buffers() -> None:
    batch = batch_of([Document("a", "plain words\n\nmore", "s"), Document("b", "三国演义。", "s"), Document("c", "", "s")])
    found = normaliser(Normalise())(batch)
    assert found.column("text").buffers()[2].address == batch.column("text").buffers()[2].address


def test_a_slice_of_a_batch_is_no_other_text() -> None:
    batch = batch_of([Document(str(n), text, "s") for n, text in enumerate(["x ", "a\r\nb", "clean", "c\u200bd"])])
    assert texts_of(normaliser(Normalise())(batch.slice(1, 3))) == ["a\nb", "clean", "cd"]


def test_joiners_stay_where_scripts_need_them() -> None:
    assert normal("zero\u200cwidth 中\u200d文 é\u200ca") == "zerowidth 中文 éa"
    assert normal("\u0915\u094d\u200d\u0937 می\u200cخواهم 👩\u200d🚀") == "\u0915\u094d\u200d\u0937 می\u200cخواهم 👩\u200d🚀"


def test_all_options_together_and_their_attributes() -> None:
    config = Normalise(punctuation="straight", width="letters", emoji=True, lower=True, stop_words=True)
    text = "The “Ｂｉｇ” pаypal 👍 of “中文”"
    found = normaliser(config)(batch_of([Document("a", text, "s")]))
    names = [name.removeprefix("scores.normalise.") for name in found.schema.names if name.startswith("scores.")]
    assert names == ["repair", "form", "width", "punctuation", "homoglyphs", "lower", "stop_words", "emoji"]
    assert texts_of(found) == ["“big” paypal :thumbs up sign: “中文”"]
    assert [scores_of(found, f"normalise.{name}")[0] for name in ("width", "punctuation", "homoglyphs", "emoji")] == [3, 0, 1, 1]


def test_options_that_harm_say_so() -> None:
    report = Heard()
    normaliser(Normalise(lower=True), report)
    assert len(report.lines) == 1 and "corpus.normalise.lower" in report.lines[0]
    assert warnings_of(Normalise()) == []


def test_homographs_are_marked_not_changed(tmp_path: Path) -> None:
    (tmp_path / "senses.tsv").write_text("bank\tmoney\tloan account\nbank\triver\twater shore\n", encoding="utf-8")
    step = normaliser(Normalise(homographs=Homographs(senses=str(tmp_path / "senses.tsv"))))
    found = step(batch_of([Document("a", "a bank by the water", "s"), Document("b", "a bank", "s")]))
    assert spans_of(found) == [[(2, 6, "homograph:river")], []]


def test_no_rows_are_no_trouble() -> None:
    empty = normaliser(Normalise(emoji=True))(pa.RecordBatch.from_pylist([], schema=WORKING))
    assert empty.num_rows == 0 and "scores.normalise.emoji" in empty.schema.names


def test_hostile_text_takes_no_time() -> None:
    """What would be quadratic takes minutes at this size."""
    texts = [
        "a" * 300_000 + " pаypal",
        "\x1b]" * 100_000,
        "\x1b[" + "1" * 300_000,
        "\n" * 300_000,
        " \u200b" * 100_000,
        "Ã©" * 50_000,
        "\x00" * 300_000,
    ]
    started = time.process_time()
    found = texts_of(normaliser(Normalise())(batch_of([Document(str(n), text, "s") for n, text in enumerate(texts)])))
    assert time.process_time() - started < 10
    assert found[0].endswith(" paypal") and found[3] == found[4] == found[6] == "" and found[5] == "é" * 50_000
