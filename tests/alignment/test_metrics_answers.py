"""Answers compared as SQuAD's script compares them, and Chinese by characters."""

from __future__ import annotations

import pytest

from headwater.alignment.metrics_answers import exact, f1, tokens


def test_case_signs_and_articles_do_not_count() -> None:
    assert exact("The Eiffel  Tower!", ["eiffel tower"]) == 1
    assert exact("eiffel towers", ["eiffel tower"]) == 0
    assert tokens("U.S.-born, a man") == ["usborn", "man"]  # the official script joins what a sign has parted


def test_f1_is_of_the_tokens_in_common_and_the_best_answer_counts() -> None:
    assert f1("in the year 1066", ["1066", "October 1066"]) == pytest.approx(2 * 1 / (3 + 1))
    assert f1("big big dog", ["big dog dog"]) == pytest.approx(2 * 2 / (3 + 3))
    assert f1("cat", ["dog"]) == 0


def test_no_answer() -> None:
    assert exact("", []) == f1("", []) == 1
    assert exact("something", []) == f1("something", []) == 0
    assert f1("", ["dog"]) == 0


def test_chinese_by_characters() -> None:
    assert tokens("《红楼梦》ABC公司，1791年") == ["红", "楼", "梦", "abc", "公", "司", "1791", "年"]
    assert exact("红楼梦。", ["《红楼梦》"]) == 1
    assert f1("曹雪芹写", ["曹雪芹"]) == pytest.approx(6 / 7)
    assert tokens("東京タワー") == list("東京タワー")
