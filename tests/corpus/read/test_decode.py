"""headwater/corpus/decode.py: other encodings are detected, binary data and nothing are refused."""

from __future__ import annotations

import codecs

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.decode import decode, decoded, mend_surrogates

CHINESE = "话说天下大势，分久必合，合久必分。周末七国分争，并入于秦。及秦灭之后，楚、汉分争，又并入于汉。" * 3
TRADITIONAL = "話說天下大勢，分久必合，合久必分。周末七國分爭，併入於秦。及秦滅之後，楚、漢分爭，又併入於漢。" * 3
RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему. " * 3
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で泣いていた。" * 3
FRENCH = "Longtemps, je me suis couché de bonne heure. Parfois, à peine ma bougie éteinte, mes yeux se fermaient si vite. " * 3


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(CHINESE, "utf-8"), (CHINESE, "utf-8-sig"), (CHINESE, "utf-16"), (CHINESE, "utf-32"), (CHINESE, "gb18030"), (CHINESE, "gbk"),
     (TRADITIONAL, "big5"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (JAPANESE, "shift_jis"), (JAPANESE, "euc_jp"), (FRENCH, "utf-8")],
)  # fmt: skip
def test_encodings_are_detected(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding), "f") == text


def test_the_header_comes_before_the_page_and_both_before_a_guess() -> None:
    page = '<meta charset="koi8-r"><p>Привет</p>'
    assert decode(page.encode("cp1251"), "f", html=True, declared="windows-1251") == page
    assert decode(page.encode("koi8-r"), "f", html=True) == page
    assert decode(page.encode("koi8-r"), "f", html=True, declared="no-such-thing") == page
    short = "<p>é</p>"
    assert decode(short.encode("iso8859_2"), "f", html=True, declared="iso-8859-2") == short


def test_a_declaration_that_the_bytes_do_not_fit_is_a_lie() -> None:
    page = f'<meta charset="shift_jis"><p>{RUSSIAN}</p>'
    assert decode(page.encode("koi8-r"), "f", html=True) == page
    assert decode(page.encode("koi8-r"), "f", html=True, declared="euc-kr") == page


def test_utf8_is_believed_whatever_is_declared() -> None:
    page = f'<meta charset="gb2312"><p>{CHINESE}</p>'
    assert decode(page.encode(), "f", html=True, declared="big5") == page


@pytest.mark.parametrize("name", ["ks_c_5601-1987", "EUC-KR", "x-sjis", "GB_2312-80", "windows-874"])
def test_names_that_only_browsers_know(name: str) -> None:
    text = {
        "k": "도서관은 날마다 붐빈다",
        "e": "도서관은 날마다 붐빈다",
        "x": "図書館は毎日にぎわう",
        "g": "图书馆每天都挤满了读者",
        "w": "ห้องสมุดเปิดทุกวัน",
    }[name[0].lower()]
    codec = {"k": "cp949", "e": "euc_kr", "x": "cp932", "g": "gb2312", "w": "cp874"}[name[0].lower()]
    page = f'<meta http-equiv="Content-Type" content="text/html; charset={name}"><p>{text}</p>'
    assert decode(page.encode(codec), "f", html=True) == page


def test_japanese_in_seven_bits() -> None:
    assert decode(JAPANESE.encode("iso2022_jp"), "f") == JAPANESE


def test_a_page_may_have_a_stray_nul() -> None:
    assert decode(b"<p>a\0b</p>" + b"text " * 50, "f", html=True).startswith("<p>a\0b</p>")
    with pytest.raises(HeadwaterError, match="is binary"):
        decode(bytes(100), "f", html=True)


@pytest.mark.parametrize("encoding", ["gb2312", "gbk", "utf-8", "big5"])
def test_a_page_says_what_it_is_in(encoding: str) -> None:
    page = f'<html><head><meta charset="{encoding}"></head><body>{TRADITIONAL if encoding == "big5" else CHINESE}</body>'
    assert decode(page.encode(encoding), "f", html=True) == page


def test_a_page_that_lies_about_its_encoding_is_still_read() -> None:
    page = f'<meta charset="latin-1">{CHINESE}'
    assert decode(page.encode(), "f", html=True) == page
    assert "abc" in decode(b'<meta charset="no-such-thing">abc', "f", html=True)


def test_one_damaged_byte_does_not_turn_a_file_into_another_encoding() -> None:
    data = CHINESE.encode() * 300
    damaged = data[:69_999] + b"\xff" + data[69_999:]
    assert decode(damaged, "f").count("\ufffd") == 1
    assert decode(damaged, "f").startswith("话说天下大势")


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "is empty"), (b"\x89PNG\r\n\x1a\n" + bytes(50), "is a PNG image"), (b"%PDF-1.7 text", "is a PDF"),
     (b"text\0text", "is binary"), (bytes(range(1, 32)) * 10, "is binary"), (b"\x1f\x8b\x08\x00abc", "is gzip-compressed")],
)  # fmt: skip
def test_what_is_no_text_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(HeadwaterError, match=rf"some/file\.txt: {said}"):
        decode(data, "some/file.txt")


def test_a_bom_is_not_part_of_the_text() -> None:
    assert decode(codecs.BOM_UTF16_BE + "hi".encode("utf-16-be"), "f") == "hi"


def test_lone_surrogates_are_replaced() -> None:
    assert mend_surrogates("a\ud800b") == "a?b"
    assert mend_surrogates("好😀") == "好😀"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "iso2022_jp"])
def test_it_says_whether_the_data_is_the_text_in_utf8(encoding: str) -> None:
    text = JAPANESE if encoding == "iso2022_jp" else FRENCH
    found, same = decoded(text.encode(encoding), "f", html=True)
    assert found == text
    assert same == (found.encode() == text.encode(encoding))
    damaged, same = decoded(("é" * 200).encode() + b"\xff" + b"a" * 10, "f")
    assert not same and damaged.startswith("é")
