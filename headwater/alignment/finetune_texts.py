"""Classes and values of whole texts: how they are read, what is said of them, and how good that is.

A value is learned in standard deviations from the mean of the training values, so that one rate fits dollars and degrees; before the
model is kept, both are put into its last layer (`finish`), which then speaks in the data's own units. Legend: B rows, C classes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from headwater.alignment.examples_rows import Labelled, row
from headwater.alignment.finetune_config import Classification, Regression
from headwater.alignment.finetune_lesson import Lesson, compared
from headwater.alignment.metrics_labels import of_classes, of_values
from headwater.core.errors import HeadwaterError
from headwater.generation.reading import evaluating
from headwater.model.heads import Sequences
from headwater.model.network import Network
from headwater.model.parts import SequenceHead
from headwater.objectives.labelled import Item, LabelledData, TextRows, cut_to


class Texts:
    def __init__(self, lesson: Lesson) -> None:
        task = lesson.config.task
        assert isinstance(task, Classification | Regression)
        self.lesson, self.task, self.labels = lesson, task, lesson.found.labels
        self.how = TextRows.of(lesson.model, lesson.tokenizer)
        self.mean, self.spread = 0.0, 1.0
        if isinstance(task, Regression):
            values = np.array([example.label for example in lesson.found.learned], np.float64)
            self.mean, self.spread = float(values.mean()), float(values.std())
            if not self.spread:
                raise HeadwaterError(f"all training examples have the value {self.mean:g}, so there is nothing to learn",
                                     where="finetune.sources", mend="give examples with different values")  # fmt: skip
        self.finished = False
        self.counts = {"cut": 0}
        self.held_out = [self._item(example) for example in lesson.found.held_out]
        self.data = LabelledData([self._item(example) for example in lesson.found.learned], self.how, lesson.rows, lesson.seed)

    @property
    def head(self) -> SequenceHead:
        """Of an encoder with a dense layer before it, as BERT's; of a decoder without, as GPT's."""
        encoder = self.lesson.model.kind == "encoder"
        return SequenceHead(classes=len(self.labels) or 1, pool=self.task.pool or ("first" if encoder else "last"), hidden=encoder)

    @property
    def rows_per_epoch(self) -> int:
        return self.data.rows_per_epoch

    def _item(self, example: Labelled) -> Item:
        encode = self.lesson.tokenizer.encode
        first, second = encode(example.text), None if example.second is None else encode(example.second)
        room = self.how.room(1 if second is None else 2)
        kept, kept_second = cut_to(room, first, second)
        self.counts["cut"] += len(first) + len(second or ()) > room
        label = self.labels.index(example.label) if isinstance(example.label, str) else (example.label - self.mean) / self.spread
        return Item(self.how.row(kept, kept_second), label, example.id)

    def _logits(self, network: Network, places: Sequence[int]) -> torch.Tensor:
        """`logits_BC` of held-out examples."""
        items = [self.held_out[place] for place in places]
        with evaluating(network):
            return torch.cat([network(batch.inputs) for batch in self.how.in_batches(items, self.lesson.at_once)])

    def look(self, network: Network, places: Sequence[int]) -> dict[str, Any]:
        figures = self._figures(self._logits(network, places), places)
        return {name: value for name, value in figures.items() if not isinstance(value, dict | list)}

    def _figures(self, logits_BC: torch.Tensor, places: Sequence[int]) -> dict[str, Any]:
        targets = torch.tensor([self.held_out[place].label for place in places])
        if self.labels:
            loss = functional.cross_entropy(logits_BC.double(), targets)
            return {"loss": float(loss), **of_classes(targets.tolist(), logits_BC.argmax(dim=1).tolist(), self.labels)}
        values_B = self._values(logits_BC)
        truths = [self.lesson.found.held_out[place].label for place in places]
        figures = of_values(truths, values_B)
        return {"loss": figures["mse"] / self.spread**2, **figures}

    def _values(self, logits_BC: torch.Tensor) -> list[float]:
        spread, mean = (1.0, 0.0) if self.finished else (self.spread, self.mean)
        values: list[float] = (logits_BC[:, 0].double() * spread + mean).tolist()
        return values

    def answer(self, network: Network, places: Sequence[int]) -> list[dict[str, Any]]:
        return self._answers(self._logits(network, places), places)

    def _answers(self, logits_BC: torch.Tensor, places: Sequence[int]) -> list[dict[str, Any]]:
        if self.labels:
            shares, classes = logits_BC.softmax(dim=1).max(dim=1)
            pairs = zip(classes.tolist(), shares.tolist(), strict=True)
            said: list[dict[str, Any]] = [{"said": self.labels[c], "probability": round(share, 4)} for c, share in pairs]
        else:
            said = [{"said": round(value, 6)} for value in self._values(logits_BC)]
        return [{**row(self.lesson.found.held_out[place]), **each} for place, each in zip(places, said, strict=True)]

    def judge(self, network: Network) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        places = range(len(self.held_out))
        logits_BC = self._logits(network, places)
        return {**self._figures(logits_BC, places), "baseline": self._baseline()}, self._answers(logits_BC, places)

    def _baseline(self) -> dict[str, Any]:
        """Always the commonest class, or the mean, of the training examples."""
        learned, held_out = ([example.label for example in side] for side in (self.lesson.found.learned, self.lesson.found.held_out))
        if not self.labels:
            return {"says": self.mean, "mse": of_values(held_out, [self.mean] * len(held_out))["mse"]}
        counts = Counter(learned)
        most = max(self.labels, key=lambda label: counts[label])
        truths = [self.labels.index(label) for label in held_out]
        figures = of_classes(truths, [self.labels.index(most)] * len(truths), self.labels)
        return {"says": most, "accuracy": figures["accuracy"], "macro_f1": figures["macro_f1"]}

    def finish(self, network: Network) -> None:
        if isinstance(self.task, Regression):
            assert isinstance(network.output, Sequences)
            with torch.no_grad():
                network.output.out.weight.mul_(self.spread)
                network.output.out.bias.mul_(self.spread).add_(self.mean)
        self.finished = True

    def told(self, figures: dict[str, Any]) -> str:
        base, count = figures["baseline"], f"{len(self.held_out):,} held-out texts"
        if self.labels:
            # Guessing is often a little luckier than the commonest label: better is what lies two standard errors above it.
            spread = math.sqrt(base["accuracy"] * (1 - base["accuracy"]) / len(self.held_out))
            worse = figures["accuracy"] <= base["accuracy"] + 2 * spread and figures["accuracy"] < 1
            said = f"accuracy {figures['accuracy']:.3f}, macro F1 {figures['macro_f1']:.3f} on {count}"
            return compared(said, worse, f"the commonest label alone: {base['accuracy']:.3f}")
        correlation = "" if figures["pearson"] is None else f", Pearson {figures['pearson']:.3f}"
        said = f"mean squared error {figures['mse']:.4g}{correlation} on {count}"
        return compared(said, figures["mse"] >= base["mse"], f"the mean alone: {base['mse']:.4g}")
