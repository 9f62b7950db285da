"""headwater/corpus/read/charset.py: undeclared bytes are read in the encoding they were written in (planted truth, counted)."""

from __future__ import annotations

import pytest

from headwater.corpus.read.charset import detected, plausibility

# Sentences written for this test: a new town library.
TEXTS = {
    "zh-Hans": (
        "今年春天，市里新开的图书馆每天都挤满了读者。王老师带着学生来查资料，孩子们在窗边安静地看书，偶尔抬头看看外面的湖水。管理"
        "员说，最受欢迎的是历史和科学类的书，借出去往往要等上两个星期才能还回来。"
    ),
    "zh-Hant": (
        "今年春天，市裡新開的圖書館每天都擠滿了讀者。王老師帶著學生來查資料，孩子們在窗邊安靜地看書，偶爾抬頭看看外面的湖水。管理"
        "員說，最受歡迎的是歷史和科學類的書，借出去往往要等上兩個星期才能還回來。"
    ),
    "ja": (
        "今年の春、市内に新しくできた図書館は毎日多くの人でにぎわっている。先生は生徒を連れて資料を調べに来るし、子どもたちは窓ぎ"
        "わで静かに本を読んでいる。人気があるのは歴史と科学の本で、借りるには二週間ほど待たなければならない。"
    ),
    "ko": (
        "올해 봄에 시내에 새로 문을 연 도서관은 날마다 많은 사람들로 붐빈다. 선생님은 학생들을 데리고 자료를 찾으러 오고, "
        "아이들은 창가에서 조용히 책을 읽는다. 가장 인기 있는 책은 역사와 과학 책이라서 빌리려면 두 주일쯤 기다려야 한다."
    ),
    "ru": (
        "Этой весной новая городская библиотека каждый день полна читателей. Учитель приводит учеников искать материалы, а дети "
        "тихо читают у окна и иногда смотрят на озеро. Больше всего любят книги по истории и науке: их приходится ждать две "
        "недели."
    ),
    "fr": (
        "Ce printemps, la nouvelle bibliothèque municipale est pleine de lecteurs chaque jour. Le maître amène ses élèves, et "
        "les enfants lisent près de la fenêtre ; les livres préférés traitent d'histoire et de sciences."
    ),
    "de": (
        "In diesem Frühjahr ist die neue Bücherei jeden Tag voller Leser. Die Lehrerin führt ihre Schüler herein, und die Kinder "
        "schauen über den See. Am häufigsten werden Bücher über Geschichte ausgeliehen; größere Wartezeiten gehören dazu."
    ),
    "pl": (
        "Tej wiosny nowa biblioteka miejska jest codziennie pełna czytelników. Nauczycielka przyprowadza uczniów, a dzieci cicho "
        "czytają przy oknie. Największą popularnością cieszą się książki o historii, na które trzeba czekać dwa tygodnie."
    ),
}
ENCODINGS = {
    "zh-Hans": ["gb18030", "gbk", "gb2312"],
    "zh-Hant": ["big5", "gb18030"],
    "ja": ["shift_jis", "euc_jp", "iso2022_jp"],
    "ko": ["euc_kr", "cp949"],
    "ru": ["koi8_r", "cp1251", "iso8859_5", "cp866"],
    "fr": ["cp1252"],
    "de": ["cp1252"],
    "pl": ["cp1250", "iso8859_2"],
}
LEAST = {"zh-Hans": 20, "zh-Hant": 20, "ja": 20, "ko": 12, "ru": 20, "fr": 100, "de": 100, "pl": 100}
"""Characters of a piece. French, German and Polish write mostly ASCII."""


def right(language: str, encoding: str) -> tuple[int, int]:
    """`(read right, pieces)`: every piece of the text by itself, undeclared."""
    text, size = TEXTS[language], LEAST[language]
    pieces = [text[start : start + size] for start in range(0, len(text) - size + 1, 3)]
    pieces = [piece for piece in pieces if not piece.isascii()]
    found = [detected(piece.encode(encoding)) for piece in pieces]
    return sum(
        name is not None and piece.encode(encoding).decode(name, "replace") == piece for name, piece in zip(found, pieces, strict=True)
    ), len(pieces)


@pytest.mark.parametrize(("language", "encoding"), [(language, encoding) for language, names in ENCODINGS.items() for encoding in names])
def test_short_pieces_are_recognised(language: str, encoding: str) -> None:
    found, pieces = right(language, encoding)
    assert pieces >= 10
    assert found >= 0.97 * pieces


@pytest.mark.parametrize("language", TEXTS)
def test_markup_around_the_text_changes_nothing(language: str) -> None:
    page = (
        "".join(f'<div class="a{number}"><a href="/x/{number}">menu</a>\n' for number in range(500)) + f"<p>{TEXTS[language]}</p>\n</html>"
    )
    for encoding in ENCODINGS[language]:
        name = detected(page.encode(encoding))
        assert name is not None
        assert page.encode(encoding).decode(name) == page


def test_noise_reads_like_nothing() -> None:
    assert detected(bytes(range(128, 256)) * 4) is None
    assert detected(b"plain") is None


def test_text_is_more_plausible_than_itself_misread() -> None:
    for language, text in TEXTS.items():
        for encoding in ENCODINGS[language][:1]:
            for other in ("gb18030", "big5", "cp932", "cp949", "cp1251", "koi8_r"):
                misread = text.encode(encoding).decode(other, "replace")
                assert misread == text or plausibility(misread) < plausibility(text), (language, other)
