"""headwater/corpus/quality/word_lists.py: plain cases hit, the well-known traps do not; the lists are well formed."""

from __future__ import annotations

import numpy as np
import pytest
import xxhash

from headwater.corpus.quality.word_lists import CONTENTS, LISTS, WordList

TOXICITY = WordList("toxicity")
ADVERTS = WordList("adverts")


def hits(text: str, words: WordList = TOXICITY) -> dict[str, float]:
    points = np.array([ord(character) for character in text], np.int32)
    found = words.hits(points, np.array([0, len(points)], np.int64))[0]
    return {group: float(value) for group, value in zip(words.groups, found, strict=True) if value}


@pytest.mark.parametrize(
    "text",
    [
        "The train from Scunthorpe to Penistone passed Essex, Middlesex and Clitheroe; Mr Hancock read about shiitake and a cockpit.",
        "Moby Dick is a novel; Dick Turpin was a robber, and Dick Van Dyke an actor.",
        "There was a chink in the armour, and light came through the chinks in the wall.",
        "The doctor told the patient that the penis and the vagina are organs like others, and need treatment as others do.",
        "The rooster, or cock, crows; the dog's mother is called a bitch by breeders.",
        "The word faggot is a slur: the court heard that he had been called names, and it found that racist.",
        "She assassinated the classic analysis of the basement's cocktail in a class of grass.",
        "He was niggardly with praise; in Milford Haven, she ejaculated, a man up the hill had discountenanced it.",
        "妈妈的手很温暖，大妈的菜很好吃。",
        "医生说阴道的感染可以治疗，患者不必害怕。",
        "“支那人”一词是对中国人的蔑称，属于歧视性用语。",
        "却说曹操与匈奴交战，将军曰：蛮夷不可信也。",
        "今日你好吗？体操你会不会？",
    ],
)
def test_harmless_text_has_no_hit(text: str) -> None:
    assert hits(text) == {}


@pytest.mark.parametrize(
    ("text", "group", "severity"),
    [
        ("What the FUCK is this", "obscenity", 2),
        ("you cunt", "obscenity", 3),
        ("motherfuckers and fucking bastards", "obscenity", 2 + 2 + 1),
        ("those chinks should leave", "slurs", 3),
        ("Women belong in the kitchen, they say", "bias", 1),
        ("all immigrants are the same", "bias", 2),
        ("操你妈的", "obscenity", 2),
        ("你这个脑残", "slurs", 2),
        ("头发长见识短的女司机", "bias", 1 + 1),
    ],
)
def test_plain_cases_are_hit_by_severity(text: str, group: str, severity: float) -> None:
    assert hits(text) == {group: severity}


def test_a_cue_far_away_excuses_nothing() -> None:
    assert hits("The doctor came. " + "Nothing else was said of it. " * 5 + "penis") == {"obscenity": 1}


def test_adverts() -> None:
    assert hits("Buy now and get free shipping", ADVERTS) == {"phrases": 2}
    assert hits("立即购买，全场包邮", ADVERTS) == {"phrases": 3}
    assert hits("I will buy it now, for the shop is in the town", ADVERTS) == {}


@pytest.mark.parametrize("name", sorted(CONTENTS))
def test_a_changed_list_is_changed_code(name: str) -> None:
    """Else a corpus that was measured with another list would pass for the same."""
    assert xxhash.xxh3_128_hexdigest((LISTS / f"{name}.tsv").read_bytes()) == CONTENTS[name]


@pytest.mark.parametrize("name", sorted(CONTENTS))
def test_the_lists_are_well_formed(name: str) -> None:
    rows = [line.split("\t") for line in (LISTS / f"{name}.tsv").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    cues = {row[0] for row in rows if row[0].startswith("@")}
    keys = [(row[0], row[3].lower()) for row in rows]
    assert len(keys) == len(set(keys))
    for row in rows:
        assert len(row) in (4, 5) and row[1] in "0123" and row[2] in ("en", "zh") and row[3] == row[3].strip() != ""
        assert (row[1] == "0") == row[0].startswith("@")
        assert {excuse for excuse in (row[4].split("|") if len(row) == 5 else []) if excuse.startswith("@")} <= cues
        assert all(row[4].split("|")) if len(row) == 5 else True
    assert {row[2] for row in rows} == {"en", "zh"}
