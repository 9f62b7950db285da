"""headwater/corpus/licences/expression.py: every expression against the truth table of its names."""

from __future__ import annotations

import itertools

import pytest

from headwater.corpus.licences.config import Licences
from headwater.corpus.licences.expression import is_allowed


@pytest.mark.parametrize(
    ("expression", "same"),
    [
        ("A", "A"),
        ("A OR B", "A or B"),
        ("A AND B", "A and B"),
        ("A OR B AND C", "A or (B and C)"),
        ("(A OR B) AND C", "(A or B) and C"),
        ("A and (B or C)", "A and (B or C)"),
        ("((A))", "A"),
    ],
)
def test_truth_tables(expression: str, same: str) -> None:
    for values in itertools.product([True, False], repeat=3):
        allowed = dict(zip("ABC", values, strict=True))
        deny = [name for name, fine in allowed.items() if not fine]
        assert is_allowed(expression, Licences(deny=deny)) == eval(same, allowed)


def test_lists() -> None:
    assert is_allowed("MIT", Licences())
    assert not is_allowed("GPL-3.0-or-later", Licences(deny=["GPL-*"]))
    assert is_allowed("LGPL-3.0-only", Licences(deny=["GPL-*"]))
    assert not is_allowed("Apache-2.0", Licences(allow=["MIT", "BSD-*"]))
    assert is_allowed("bsd-3-clause", Licences(allow=["MIT", "BSD-*"]))
    assert not is_allowed("MIT", Licences(allow=["*"], deny=["MIT"]))
    assert is_allowed("GPL-2.0-only WITH Classpath-exception-2.0", Licences(allow=["* WITH Classpath-*"]))
    assert not is_allowed("GPL-2.0 WITH Linux-syscall-note", Licences(deny=["GPL-*"]))


def test_old_names_and_no_expressions() -> None:
    assert not is_allowed("GPL-2.0+", Licences(deny=["GPL-2.0-or-later"]))
    assert not is_allowed("GPL-2.0", Licences(deny=["GPL-2.0-only"]))
    assert is_allowed("public domain", Licences(allow=["public domain"]))
    assert not is_allowed("(MIT", Licences(allow=["MIT"]))
    assert not is_allowed("all rights reserved", Licences(allow=["MIT"]))
