"""headwater/corpus/privacy/replace.py and fakes.py: tags, hashes and fakes that are nobody's."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import HeadwaterError
from headwater.corpus.apply import apply
from headwater.corpus.privacy.config import KINDS, Privacy
from headwater.corpus.privacy.detect import spans_in
from headwater.corpus.privacy.fakes import FAKES
from headwater.corpus.privacy.replace import digest, plain, replacer
from headwater.corpus.proof.private import LINES, MAKE
from tests.corpus.privacy.test_detect import labelled

TEXT = "写信给 li.wei@163.com 或 call 8.8.8.8 now"
SPANS = [(4, 18, "email"), (26, 33, "ip")]


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "privacy.key"
    path.write_bytes(b"a secret of thirty-two bytes ...")
    return str(path)


def test_tags() -> None:
    assert apply(TEXT, SPANS, "d", replacer(Privacy())) == "写信给 <EMAIL> 或 call <IP> now"


def test_keep_keeps() -> None:
    assert apply(TEXT, SPANS, "d", replacer(Privacy(replace="keep"))) == TEXT


def test_hashes_are_the_same_for_the_same_person_and_differ_by_key(key: str, tmp_path: Path) -> None:
    replace = replacer(Privacy(replace="hash", key_file=key))
    one = replace("email", "Li.Wei@163.com", "a/1")
    assert re.fullmatch(r"<EMAIL:[0-9a-f]{16}>", one)
    assert one == replace("email", "li.wei@163.com", "b/2") != replace("email", "li.wei@164.com", "b/2")
    other = tmp_path / "other.key"
    other.write_bytes(b"another")
    assert one != replacer(Privacy(replace="hash", key_file=str(other)))("email", "li.wei@163.com", "a/1")


def test_hashes_need_a_key_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="key_file"):
        Privacy(replace="hash")
    with pytest.raises(HeadwaterError, match="no such file"):
        replacer(Privacy(replace="hash", key_file=str(tmp_path / "missing")))


def test_the_key_is_in_the_fingerprint_and_not_in_the_recipe(key: str) -> None:
    assert list(Privacy(key_file=key).contents()) == ["privacy/key"]
    assert Privacy().contents() == {}


def test_numbers_of_one_person_written_two_ways_are_one() -> None:
    assert plain("phone", "+86 138 1234 5678") == plain("phone", "13812345678") == plain("phone", "0086-138-1234-5678")
    assert plain("phone", "+1 415 555 2671") == plain("phone", "(415) 555-2671")
    assert plain("card", "4111 1111 1111 1111") == plain("card", "4111-1111-1111-1111")
    assert plain("secret", "aB") != plain("secret", "ab")


@pytest.mark.parametrize("kind", sorted(MAKE))
def test_fakes_have_the_form_and_are_not_found_again(kind: str) -> None:
    """300 planted items: the fake differs, keeps its separators and length, and no detector takes it for somebody's."""
    draw = random.Random(f"fakes {kind}")
    replace = replacer(Privacy(replace="fake"))
    for _ in range(300):
        item = MAKE[kind](draw)
        before, after = draw.choice(LINES[kind]).split("{}")
        fake = replace(kind, item, "d")
        assert fake != item and fake == replace(kind, item, "other document")
        assert spans_in(before + fake + after, Privacy()) == [], (item, before + fake + after)
        if kind in ("phone", "card", "iban", "chinese_id", "passport"):
            assert re.sub(r"[A-Za-z0-9]", "x", fake) == re.sub(r"[A-Za-z0-9]", "x", item)
        elif kind == "secret":
            assert len(fake) == len(item) and "EXAMPLE" in fake


def test_fakes_of_labelled_text_leave_nothing_to_find() -> None:
    replace = replacer(Privacy(replace="fake"))
    for text, spans in labelled(False):
        assert spans_in(apply(text, sorted(spans), "d", replace), Privacy()) == [], apply(text, sorted(spans), "d", replace)


def test_reserved_numbers_are_found_when_asked_for() -> None:
    found = {kind for _, _, kind in spans_in("a.b@example.com 192.0.2.7 2001:db8::1 +1 415 555 0123", Privacy(reserved=True))}
    assert found == {"email", "ip", "phone"}


def test_fakes_of_chinese_names_are_chinese() -> None:
    bits = digest(b"k", "name", "王小明")
    assert re.fullmatch(r"[\u4e00-\u9fff]{2}", FAKES["name"]("王小明", bits))
    assert " " in FAKES["name"]("John Smith", bits)


def test_of_overlapping_spans_the_longest_counts_then_the_first() -> None:
    show = lambda kind, matched, document: f"[{kind}:{matched}:{document}]"  # noqa: E731
    assert apply("0123456789", [(2, 5, "ip"), (3, 9, "card")], "d", show) == "012[card:345678:d]9"
    assert apply("0123456789", [(4, 7, "ip"), (2, 5, "card")], "d", show) == "01[card:234:d]56789"


ONE_LINE = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=40)  # empty lines at the ends go


@given(ONE_LINE, st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9), st.sampled_from(KINDS)), max_size=6))
def test_what_no_span_covers_stays(text: str, drawn: list[tuple[int, int, str]]) -> None:
    spans = [(start, min(len(text), start + length), kind) for start, length, kind in drawn if start < len(text)]
    covered = {place for start, end, _ in spans for place in range(start, end)}
    kept = apply(text, spans, "d", lambda kind, matched, document: "")
    left = "".join(sign for place, sign in enumerate(text) if place not in covered)
    rest = iter(kept)
    assert all(sign in rest for sign in left), "in their order"
    assert len(kept) < len(text) if spans else kept == text
