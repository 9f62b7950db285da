"""Labelled examples as rows: how texts stand before a head, and which of them are read at a step.

    how = TextRows.of(model, tokenizer)             HeadwaterError where the tokenizer lacks what an encoder's rows begin and end with
    how.row(first, second)                          cls A sep [B sep] for an encoder, end A end [B end] for a decoder
    how.lay([item, …])                              -> Batch, about as long as its longest row, with the items' labels
    LabelledData(items, how, rows, seed)            what the training loop asks for

A decoder reads a text after the token that begins a document, and its class at the last token (Radford et al. 2018, section 3.3); an
encoder at its first (Devlin et al. 2019, section 4.1). Rows see themselves only; padding is on the right. Legend: B rows, T positions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.objectives.data import Rows
from headwater.objectives.rows import Layout, Row, lay
from headwater.tokens.batch import Batch
from headwater.tokens.order import Permutation
from headwater.tokens.tokenizer import Tokenizer

# Rows grow by so many tokens: a processor's products are compiled for each shape that they meet (model/products.py).
EVEN = 16


@dataclass(frozen=True)
class Item:
    """A row and what belongs to it as a whole: a class, a value, the first and last token of an answer; None where tokens have tags."""

    row: Row
    label: int | float | tuple[int, int] | None
    id: str


@dataclass(frozen=True)
class TextRows:
    """`begin` opens a row and `close` ends each of its texts; `types`: the model tells two texts apart."""

    context: int
    both_ways: bool
    begin: int
    close: int
    pad: int
    types: bool

    @classmethod
    def of(cls, model: ModelConfig, tokenizer: Tokenizer) -> TextRows:
        both_ways = model.kind == "encoder"
        missing = [name for name in ("cls", "sep") if both_ways and not tokenizer.has(name)]
        if missing:
            raise HeadwaterError(f"an encoder's rows need the special tokens {', '.join(missing)}, which its tokenizer lacks",
                                 where="finetune", mend="pretrain it with tokenizer.specials: [mask, cls, sep]")  # fmt: skip
        end = tokenizer.special("end")
        begin, close = (tokenizer.special("cls"), tokenizer.special("sep")) if both_ways else (end, end)
        return cls(model.context, both_ways, begin, close, tokenizer.special("pad"), model.embedding.types > 1)

    def room(self, texts: int) -> int:
        """Tokens of text that fit into a row."""
        return self.context - 1 - texts

    def row(self, first: Sequence[int], second: Sequence[int] | None = None) -> Row:
        """Nothing is learned at its tokens; what fits is up to the caller."""
        head = [self.begin, *first, self.close]
        tail = [] if second is None else [*second, self.close]
        tokens = np.array(head + tail, np.int64)
        assert len(tokens) <= self.context, "a row is longer than the context"
        types = np.repeat([0, 1], [len(head), len(tail)]) if self.types else None
        return Row(tokens, targets=tokens, weights=np.zeros(len(tokens), np.float32), types=types)

    def layout(self, length: int) -> Layout:
        fields = frozenset({"segments", "types"} if self.types else {"segments"})
        return Layout(length, self.pad, both_ways=self.both_ways, apart=True, fields=fields)

    def lay(self, items: Sequence[Item]) -> Batch:
        longest = max(len(item.row.tokens) for item in items)
        batch = lay([item.row for item in items], self.layout(min(self.context, -(-longest // EVEN) * EVEN)))
        labels = [item.label for item in items]
        if labels[0] is None:
            return batch
        values = torch.tensor(labels, dtype=torch.float32 if isinstance(labels[0], float) else torch.int64)
        return dataclasses.replace(batch, labels=values)

    def in_batches(self, items: Sequence[Item], rows: int) -> Iterator[Batch]:
        """All of them, in their order."""
        for start in range(0, len(items), rows):
            yield self.lay(items[start : start + rows])


def cut_to(room: int, first: list[int], second: list[int] | None) -> tuple[list[int], list[int] | None]:
    """Both texts within `room` tokens: the longer loses its last tokens until they fit (Devlin et al.'s own way)."""
    if second is None:
        return first[:room], None
    if len(first) <= len(second):
        keep = min(len(first), max(room // 2, room - len(second)))
        return first[:keep], second[: room - keep]
    keep = min(len(second), max(room // 2, room - len(first)))
    return first[: room - keep], second[:keep]


class LabelledData:
    """Batches as a function of the step: every item once an epoch, in an order of its own. A place behind an epoch's end is of the next."""

    def __init__(self, items: Sequence[Item], how: TextRows, rows: Rows, seed: int) -> None:
        assert items, "nothing to learn from"
        self.items, self.how, self.rows, self.seed = items, how, rows, seed

    def chosen(self, step: int) -> list[Item]:
        first, count = self.rows(step)
        orders: dict[int, Permutation] = {}
        found = []
        for index in range(first, first + count):
            epoch, place = divmod(index, len(self.items))
            if epoch not in orders:
                orders[epoch] = Permutation(len(self.items), self.seed, "labelled", epoch)
            found.append(self.items[orders[epoch][place]])
        return found

    def batch(self, step: int) -> Batch:
        return self.how.lay(self.chosen(step))

    def documents(self, step: int) -> list[str]:
        return list(dict.fromkeys(item.id for item in self.chosen(step)))

    def row_documents(self, step: int) -> list[list[str]]:
        return [[item.id] for item in self.chosen(step)]

    @property
    def rows_per_epoch(self) -> int:
        return len(self.items)
