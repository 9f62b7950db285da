"""Weighted shares follow one another, and the last goes on to the end."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.tokens.order_config import Weighted

A = {"a": 1.0}


@pytest.mark.parametrize(
    ("shares", "sentence"),
    [
        ([{"weights": A, "until": 5}], "the last shares go on to the end"),
        ([{"weights": A}, {"weights": A}], "need an 'until', one after the other"),
        ([{"weights": A, "until": 9}, {"weights": A, "until": 9}, {"weights": A}], "need an 'until', one after the other"),
        ([{"weights": {"a": 0}}], "every source has weight 0"),
    ],
)
def test_shares_that_make_no_sense_are_a_sentence(shares: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(HeadwaterError, match=sentence):
        validate(Weighted, {"kind": "weighted", "shares": shares})
