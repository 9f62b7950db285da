"""A tag for each word: where in a row it is said, and how good the tags are.

A word's tag is said at its first token by an encoder (Devlin et al. 2019, section 5.3) and at its last by a decoder, which has read no
more at the first than where the word begins. A text that is longer than a row goes on in the next row: every word gets its tag.
Legend: B rows, T positions, C tags.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.nn import functional

from headwater.alignment.examples_rows import Tagged, row
from headwater.alignment.finetune_config import Tagging
from headwater.alignment.finetune_lesson import Lesson, compared
from headwater.alignment.metrics_entities import marks_entities, of_entities
from headwater.generation.reading import evaluating
from headwater.model.network import Network
from headwater.model.parts import TaggingHead
from headwater.objectives.labelled import Item, LabelledData, TextRows


@dataclass(frozen=True)
class Piece:
    """A row with words of one text, and the places of their tags in it."""

    item: Item
    marks: list[int]


class Tags:
    def __init__(self, lesson: Lesson) -> None:
        task = lesson.config.task
        assert isinstance(task, Tagging)
        self.lesson, self.task, self.labels = lesson, task, lesson.found.labels
        self.how = TextRows.of(lesson.model, lesson.tokenizer)
        self.counts = {"divided": 0, "cut": 0}
        self.held_out = [self._pieces(example) for example in lesson.found.held_out]
        learned = [piece.item for example in lesson.found.learned for piece in self._pieces(example)]
        self.data = LabelledData(learned, self.how, lesson.rows, lesson.seed)

    @property
    def head(self) -> TaggingHead:
        return TaggingHead(classes=len(self.labels))

    @property
    def rows_per_epoch(self) -> int:
        return self.data.rows_per_epoch

    def _pieces(self, example: Tagged) -> list[Piece]:
        room = self.how.room(1)
        filled: list[tuple[list[int], list[int], list[int]]] = [([], [], [])]  # ids, marks, tags of each row
        for number, (word, tag) in enumerate(zip(example.words, example.tags, strict=True)):
            # A word of signs that the tokenizer throws away still has a tag, said at a token that stands for it.
            ids = self.lesson.tokenizer.encode((self.task.join if number else "") + word) or [self.how.close]
            self.counts["cut"] += len(ids) > room
            ids = ids[:room]
            if len(filled[-1][0]) + len(ids) > room:
                filled.append(([], [], []))
            tokens, marks, tags = filled[-1]
            marks.append(1 + len(tokens) + (0 if self.how.both_ways else len(ids) - 1))
            tokens.extend(ids)
            tags.append(self.labels.index(tag))
        self.counts["divided"] += len(filled) > 1
        return [self._piece(example.id, *each) for each in filled]

    def _piece(self, id: str, ids: list[int], marks: list[int], tags: list[int]) -> Piece:
        plain = self.how.row(ids)
        targets, weights = np.zeros(len(plain.tokens), np.int64), np.zeros(len(plain.tokens), np.float32)
        targets[marks], weights[marks] = tags, 1
        return Piece(Item(dataclasses.replace(plain, targets=targets, weights=weights), None, id), marks)

    def _said(self, network: Network, places: Sequence[int]) -> tuple[list[list[str]], float]:
        """The tags of held-out texts, and nats per word."""
        pieces = [piece for place in places for piece in self.held_out[place]]
        tags: list[list[str]] = []
        nats = 0.0
        with evaluating(network):
            for number, batch in enumerate(self.how.in_batches([piece.item for piece in pieces], self.lesson.at_once)):
                logits_BTC = network(batch.inputs)
                nats_BT = functional.cross_entropy(logits_BTC.transpose(1, 2).double(), batch.targets_BT, reduction="none")
                nats += float((nats_BT * batch.weights_BT).sum())
                for said_T, piece in zip(logits_BTC.argmax(dim=2), pieces[number * self.lesson.at_once :], strict=False):
                    tags.append([self.labels[c] for c in said_T[piece.marks].tolist()])
        words = sum(map(len, tags))
        joined, at = [], 0
        for place in places:
            count = len(self.held_out[place])
            joined.append([tag for piece in tags[at : at + count] for tag in piece])
            at += count
        return joined, nats / words

    def look(self, network: Network, places: Sequence[int]) -> dict[str, Any]:
        said, loss = self._said(network, places)
        figures = self._figures([self.lesson.found.held_out[place].tags for place in places], said)
        return {"loss": loss, **{name: value for name, value in figures.items() if not isinstance(value, dict)}}

    def _figures(self, truths: Sequence[Sequence[str]], said: Sequence[Sequence[str]]) -> dict[str, Any]:
        pairs = [(t, s) for tags, words in zip(truths, said, strict=True) for t, s in zip(tags, words, strict=True)]
        figures: dict[str, Any] = {"accuracy": sum(t == s for t, s in pairs) / len(pairs), "words": len(pairs)}
        return {**figures, **of_entities(truths, said)} if marks_entities(self.labels) else figures

    def answer(self, network: Network, places: Sequence[int]) -> list[dict[str, Any]]:
        return self._answers(self._said(network, places)[0], places)

    def _answers(self, said: list[list[str]], places: Sequence[int]) -> list[dict[str, Any]]:
        return [{**row(self.lesson.found.held_out[place]), "said": tags} for place, tags in zip(places, said, strict=True)]

    def judge(self, network: Network) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        places = range(len(self.held_out))
        said, loss = self._said(network, places)
        truths = [example.tags for example in self.lesson.found.held_out]
        figures = {"loss": loss, **self._figures(truths, said), "baseline": self._baseline(truths)}
        return figures, self._answers(said, places)

    def _baseline(self, truths: Sequence[Sequence[str]]) -> dict[str, Any]:
        """Always the commonest tag; and `by_word` each word's own commonest, which needs no context."""
        tags = Counter(tag for example in self.lesson.found.learned for tag in example.tags)
        most = max(self.labels, key=lambda tag: tags[tag])
        by_word: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for example in self.lesson.found.learned:
            for word, tag in zip(example.words, example.tags, strict=True):
                by_word[word][tag] += 1
        known = {word: max(self.labels, key=lambda tag, counts=counts: counts[tag]) for word, counts in by_word.items()}  # type: ignore[misc]
        looked_up = [[known.get(word, most) for word in example.words] for example in self.lesson.found.held_out]
        always = [[most] * len(each) for each in truths]
        return {"says": most, **_few(self._figures(truths, always)), "by_word": _few(self._figures(truths, looked_up))}

    def finish(self, network: Network) -> None:
        """They are kept as they are."""

    def told(self, figures: dict[str, Any]) -> str:
        base = figures["baseline"]
        names = "entity_f1" in figures
        said = f"accuracy {figures['accuracy']:.3f}" + (f", entity F1 {figures['entity_f1']:.3f}" if names else "")
        said += f" on {figures['words']:,} held-out words"
        figure = "entity_f1" if names else "accuracy"
        if figures["accuracy"] <= base["accuracy"] or not figures[figure]:
            return compared(said, True, f"the commonest tag alone: {base['accuracy']:.3f}")
        worse = figures[figure] <= base["by_word"][figure]
        return compared(said, worse, f"each word's commonest tag alone: {base['by_word'][figure]:.3f}")


def _few(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: figures[name] for name in ("accuracy", "entity_f1") if name in figures}
