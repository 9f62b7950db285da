"""headwater/corpus/select.py: the first failing rule, and the recipe's own expression."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.document import Document, batch_of, with_score
from headwater.corpus.quality.config import Bounds
from headwater.corpus.quality.rules import Rule
from headwater.corpus.select import KEPT, Keep, columns_of, judge

RULES = [
    Rule("quality", "length", "length", Bounds(min=10), Bounds(min=20)),
    Rule("quality", "noise", "set.noise", Bounds(max=0.5), Bounds()),
]


@pytest.fixture
def batch() -> pa.RecordBatch:
    rows = batch_of([Document(f"d{n}", "x", "web" if n % 2 else "wiki", language="zh" if n == 4 else None) for n in range(5)])
    for name, values in {"spaceless": [0, 0, 1, 1, 1], "length": [10, 9, 19, 20, 30], "set.noise": [0.5, 0.9, 0.9, 0.9, 0.1]}.items():
        rows = with_score(rows, name, values)
    return rows


def test_the_first_rule_that_fails_takes_the_document(batch: pa.RecordBatch) -> None:
    verdicts = judge(batch, RULES)
    assert verdicts.rule.tolist() == [KEPT, 0, 0, KEPT, KEPT], "bounds are allowed values; characters have bounds of their own"
    assert verdicts.value[1:3].tolist() == [9, 19]
    assert verdicts.threshold[1:3].tolist() == [10, 20]
    assert judge(batch, RULES[1:]).rule.tolist() == [KEPT, 0, KEPT, KEPT, KEPT]
    assert columns_of(RULES) == ["scores.spaceless", "scores.length", "scores.set.noise"]


@pytest.mark.parametrize(
    ("expression", "kept"),
    [
        ("length >= 19", [2, 3, 4]),
        ("set.noise < 0.6 AND source = 'wiki'", [0, 4]),
        ("language = 'zh'", [4]),  # null is not true
        ("id IN ('d1', 'd3')", [1, 3]),
        ("length > (SELECT avg(length) FROM documents)", [2, 3, 4]),
    ],
)
def test_an_expression_over_attributes_and_columns(batch: pa.RecordBatch, expression: str, kept: list[int]) -> None:
    assert np.flatnonzero(Keep(expression)(batch)).tolist() == kept


@pytest.mark.fault
@pytest.mark.parametrize(
    "expression",
    ["lenght > 3", "source > 3 AND", "(SELECT count(*) FROM '/etc/passwd') > 0", "(SELECT 1 FROM read_csv('/etc/passwd')) > 0"],
)
def test_a_wrong_or_prying_expression_is_a_sentence(batch: pa.RecordBatch, expression: str) -> None:
    with pytest.raises(HeadwaterError, match=r"corpus\.keep: "):
        Keep(expression)(batch)
