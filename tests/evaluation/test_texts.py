from __future__ import annotations

from typing import Any

from headwater.evaluation.texts import Text, picked, texts


def test_documents_come_in_their_order(inputs: dict[str, Any], documents: dict[str, list[Text]]) -> None:
    found = texts(inputs["corpus"].path, "validation")
    assert list(found) == documents["validation"]


def test_places_are_picked(documents: dict[str, list[Text]]) -> None:
    assert picked(iter(documents["train"]), [0, 3, 7]) == [documents["train"][place] for place in (0, 3, 7)]
