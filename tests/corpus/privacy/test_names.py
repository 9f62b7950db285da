"""headwater/corpus/privacy/names.py: sentences labelled by hand, and novels that are full of names."""

from __future__ import annotations

import pytest

from headwater.corpus.privacy.names import names


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("Dear Mr. Smith, I met Mrs Jane O'Neill and Dr. van", ["Smith", "Jane O'Neill"]),
        ("Prof. J. R. R. Tolkien wrote it", ["J. R. R. Tolkien"]),
        ("Herr Ludwig van Beethoven", ["Ludwig van Beethoven"]),
        ("Name: Alice Cooper", ["Alice Cooper"]),
        ("联系人：李雷，电话略", ["李雷"]),
        ("姓名:欧阳修", ["欧阳修"]),
        ("，王小明先生说", ["王小明"]),
        ("请张医生来一下", []),
        ("张医生来了", ["张"]),
        ("The doctor said hello to Paris", []),
        ("name: the first column", []),
        ("Mr. is a title", []),
        ("高经理和路先生", ["高"]),
        ("路由器的名称：主机", []),
    ],
)
def test_titles_and_labels(text: str, people: list[str]) -> None:
    assert [text[start:end] for start, end, kind in names(text)] == people
