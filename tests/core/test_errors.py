"""One exception, one sentence."""

from __future__ import annotations

import pytest

from headwater.core.errors import HeadwaterError, nearest


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (HeadwaterError("broke", where="a.txt", mend="glue it"), "a.txt: broke; glue it"),
        (HeadwaterError("broke", where=0), "0: broke"),
        (HeadwaterError("broke", mend="glue it"), "broke; glue it"),
        (HeadwaterError("broke"), "broke"),
    ],
)
def test_sentence(error: HeadwaterError, sentence: str) -> None:
    assert str(error) == sentence


def test_nearest_is_near_or_says_what_there_is() -> None:
    assert nearest("stpes", {"steps", "stage"}) == "did you mean 'steps'?"
    assert nearest("xyz", {"steps", "stage"}) == "known here: stage, steps"
