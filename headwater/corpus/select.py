"""Which rule takes which document out? In: attributes of a batch. Out: for each document the first rule that fails, if any.

Rules stand in one order: extract, language, quality, licences, contamination, and last the recipe's own `keep:` expression.
Nothing is deleted here: the stage cuts, and writes every removal with its rule, value and threshold into the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from headwater.core.errors import HeadwaterError
from headwater.corpus.config import Corpus
from headwater.corpus.document import SCORE, scores_of
from headwater.corpus.quality.config import Bounds
from headwater.corpus.quality.rules import Rule

KEPT = -1
SPACELESS = "spaceless"


@dataclass(frozen=True)
class Verdicts:
    """Per document: index of the rule that takes it (KEPT: none), the attribute's value and the bound that it crossed."""

    rule: np.ndarray
    value: np.ndarray
    threshold: np.ndarray


def rules_of(config: Corpus) -> list[Rule]:
    """All rules of a recipe, in the order in which they take documents."""
    from headwater.corpus.contamination.match import rules_of as contamination
    from headwater.corpus.extract.kinds import rules_of as extract
    from headwater.corpus.language.config import rules_of as language
    from headwater.corpus.licences.detect import rules_of as licences
    from headwater.corpus.privacy.detect import rules_of as privacy
    from headwater.corpus.quality.rules import rules_of as quality

    empty = Rule("extract", "empty", "empty", Bounds(max=0), Bounds(max=0))
    rules = [empty, *extract(config.extract), *language(config.language), *quality(config.quality), *privacy(config.privacy)]
    return [*rules, *licences(config.licences), *contamination(config.contamination)]


def judge(batch: pa.RecordBatch, rules: Sequence[Rule]) -> Verdicts:
    """The first failing rule of every document."""
    count = batch.num_rows
    verdicts = Verdicts(np.full(count, KEPT, np.int16), np.full(count, np.nan), np.full(count, np.nan))
    by_characters = scores_of(batch, SPACELESS) > 0.5
    for index, rule in enumerate(rules):
        values = scores_of(batch, rule.attribute)
        low = np.where(by_characters, _or(rule.characters.min, -np.inf), _or(rule.words.min, -np.inf))
        high = np.where(by_characters, _or(rule.characters.max, np.inf), _or(rule.words.max, np.inf))
        fails = ((values < low) | (values > high)) & (verdicts.rule == KEPT)
        verdicts.rule[fails] = index
        verdicts.value[fails] = values[fails]
        verdicts.threshold[fails] = np.where(values < low, low, high)[fails]
    return verdicts


def columns_of(rules: Sequence[Rule]) -> list[str]:
    """The columns that judging needs."""
    return [SCORE + name for name in dict.fromkeys([SPACELESS, *(rule.attribute for rule in rules)])]


def _or(bound: float | None, otherwise: float) -> float:
    return otherwise if bound is None else bound


class Keep:
    """The recipe's `keep:`: an SQL expression over attributes (`length > 100 AND gopher.stop_words > 1`) and the document's own columns.

    Evaluated by DuckDB without access to files or network. A document for which it is not true (false or null) goes.
    """

    def __init__(self, expression: str) -> None:
        import duckdb

        self.expression = expression
        self.database = duckdb.connect(config={"enable_external_access": "false", "threads": "1"})
        try:
            statements = duckdb.extract_statements(f"SELECT ({expression})::BOOLEAN AS keep FROM documents")  # noqa: S608
        except duckdb.ParserException as error:
            raise _no_expression(error) from None
        if len(statements) != 1:
            raise HeadwaterError("is more than one expression", where="corpus.keep", mend="write one condition, without semicolons")

    def __call__(self, batch: pa.RecordBatch) -> np.ndarray:
        """bool [N]. Raises HeadwaterError for a name that no column has, or a comparison of what cannot be compared."""
        import duckdb

        self.database.register("documents", _as_table(batch))
        try:
            found = self.database.execute(f"SELECT ({self.expression})::BOOLEAN AS keep FROM documents").fetchnumpy()["keep"]  # noqa: S608
        except duckdb.Error as error:
            raise _no_expression(error) from None
        return np.ma.filled(np.ma.asarray(found), False).astype(bool)


def _as_table(batch: pa.RecordBatch) -> pa.Table:
    """Attributes under their own names; those named `set.rule` as fields of a struct, so that SQL needs no quotes."""
    flat: dict[str, Any] = {}
    nested: dict[str, dict[str, pa.Array]] = {}
    for name in batch.schema.names:
        head, dot, tail = name.removeprefix(SCORE).partition(".")
        if dot:
            nested.setdefault(head, {})[tail] = batch.column(name)
        else:
            flat[head] = batch.column(name)
    for head, fields in nested.items():
        key = head if head not in flat else f"{head}_"
        flat[key] = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    return pa.table(flat)


def _no_expression(error: Exception) -> HeadwaterError:
    lines = [line for line in str(error).split("\n") if line.strip()]
    return HeadwaterError(f"cannot be evaluated ({lines[0].rstrip('.')})", where="corpus.keep",
                          mend="write a condition such as `length > 100`; `headwater inspect` shows what there is")  # fmt: skip
