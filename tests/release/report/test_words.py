"""Both languages are whole: every key said, with the same things filled in, and every key that the page asks for exists."""

import re
from pathlib import Path

import pytest

import headwater.release.report
from headwater.core.errors import HeadwaterError
from headwater.release.report.vocabulary import LANGUAGES, WORDS
from headwater.release.report.words import Words

PACKAGE = Path(headwater.release.report.__file__).parent


@pytest.mark.parametrize("key", [*WORDS, *LANGUAGES])
def test_every_word_is_said_in_both_languages_with_the_same_places(key: str) -> None:
    english, chinese = WORDS[key] if key in WORDS else LANGUAGES[key]
    assert english and chinese
    assert set(re.findall(r"{(\w+)}", english)) == set(re.findall(r"{(\w+)}", chinese))
    assert not re.search(r"[\u4e00-\u9fff]", english)
    assert re.search(r"[\u4e00-\u9fff{]", chinese)


def test_every_key_that_the_page_asks_for_is_in_the_table() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in [*PACKAGE.glob("*.py"), *PACKAGE.glob("templates/*.jinja")])
    asked = set(re.findall(r"""\bwords\(\s*["'](\w*[a-z])["']""", sources))
    counted = set(re.findall(r"""words\.many\(\s*["'](\w+)["']""", sources))
    assert len(asked) > 80
    assert asked | {f"{noun}_{form}" for noun in counted for form in ("one", "many")} <= set(WORDS)


def test_one_is_singular_in_english_alone() -> None:
    assert [Words("en").many("document", n) for n in (1, 2)] == ["1 document", "2 documents"]
    assert [Words("zh").many("document", n) for n in (1, 21_300)] == ["1 篇文档", "2.13\u00a0万篇文档"]


def test_names_of_the_users_own_stand_as_they_are() -> None:
    assert Words("zh").name("rule", "my_rule") == "my_rule"
    assert Words("zh").language("xx") == "xx"


def test_a_figure_has_the_digits_that_its_error_warrants() -> None:
    assert Words("en").measured(1.31742, 0.01213) == "1.317\u00a0±\u00a00.012"
    assert Words("en").measured(17.4, 1.9) == "17.4\u00a0±\u00a01.9"
    assert Words("en").measured(1.31742, None) == "1.317"


def test_an_unknown_language_is_the_users_mistake() -> None:
    with pytest.raises(HeadwaterError, match="choose en or zh"):
        Words("fr")
