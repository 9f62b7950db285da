"""What is every kind of fine-tuning given, and what does the stage ask of it?

In: the config, the base model, both sides of the examples. Out: batches to learn from, and held-out answers with their figures. One
module a kind: finetune_texts.py (classes, values), finetune_tags.py, finetune_spans.py, finetune_pairs.py (seq2seq).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from headwater.alignment.examples import Gathered
from headwater.alignment.finetune_config import Finetune
from headwater.model.config import ModelConfig
from headwater.model.network import Network
from headwater.model.parts import HeadConfig
from headwater.tokens.tokenizer import Tokenizer
from headwater.training.loop import Data
from headwater.training.memory import unlearned_rows
from headwater.training.ramp import Sizes, size_at


@dataclass(frozen=True)
class Lesson:
    config: Finetune
    model: ModelConfig
    tokenizer: Tokenizer
    found: Gathered
    seed: int

    def rows(self, step: int) -> tuple[int, int]:
        """The first row that a step reads, and how many."""
        return self.sizes.rows(step)

    @cached_property
    def sizes(self) -> Sizes:
        """Of its batches; what is changed while the run goes is changed here."""
        return Sizes(self.config.batch_size, self.model.context)

    @property
    def at_once(self) -> int:
        """Held-out rows that are read at once."""
        rows = size_at(self.config.batch_size, 0, self.model.context)
        return unlearned_rows(self.config.micro_batch, rows, self.model.context)

    @property
    def some(self) -> list[int]:
        """Places of the held-out examples that are looked at during training, evenly spaced."""
        there = len(self.found.held_out)
        count = min(there, self.config.validation_examples)
        return [number * there // count for number in range(count)]


class Taught(Protocol):
    """One kind. `places` are those of held-out examples; a row of `answer` is an example with what the model `said` of it."""

    counts: dict[str, int]

    @property
    def head(self) -> HeadConfig: ...

    @property
    def data(self) -> Data: ...

    @property
    def rows_per_epoch(self) -> int: ...

    def look(self, network: Network, places: Sequence[int]) -> dict[str, Any]:
        """Figures of them, `loss` among these."""
        ...

    def answer(self, network: Network, places: Sequence[int]) -> list[dict[str, Any]]: ...

    def judge(self, network: Network) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """All figures of all held-out examples, with those of who learned nothing under `baseline`, and the answers."""
        ...

    def finish(self, network: Network) -> None:
        """What becomes of the weights before they are kept."""
        ...

    def told(self, figures: dict[str, Any]) -> str:
        """The one figure for people, beside the baseline's; it says when nothing was learned."""
        ...


def compared(figure: str, worse: bool, baseline: str) -> str:
    """`worse`: not better than the baseline."""
    return f"{figure}: no surer than {baseline}" if worse else f"{figure} ({baseline})"
