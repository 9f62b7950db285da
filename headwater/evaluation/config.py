"""What may a recipe say about evaluation? Every field has a default that fits any corpus: `evaluate: {}` is whole.

    evaluate:
      documents: 500
      tasks: [{kind: continuation, shots: 2}, {kind: completion}]

Lengths of prompts and answers are in characters where people read them and in tokens where the network counts them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator

from headwater.core.config import Config


class Continuation(Config):
    """Multiple choice: which of these sentences follows this text? The wrong ones follow other held-out documents."""

    kind: Literal["continuation"] = "continuation"
    name: str | None = None
    shots: int = Field(default=2, ge=0)
    """Worked examples from training documents that stand before each question."""
    questions: PositiveInt = 100
    """At most; one a held-out document."""
    choices: int = Field(default=4, ge=2)
    context_characters: int = Field(default=200, ge=16)
    answer_characters: int = Field(default=80, ge=8)

    @property
    def label(self) -> str:
        return self.name or f"continuation, {self.shots} shots"


class Completion(Config):
    """Generation: go on with this text, greedily; the closer in characters to how it did go on, the better."""

    kind: Literal["completion"] = "completion"
    name: str | None = None
    shots: int = Field(default=0, ge=0)
    questions: PositiveInt = 64
    context_characters: int = Field(default=200, ge=16)
    answer_characters: int = Field(default=60, ge=8)
    max_tokens: PositiveInt = 64
    """What the model may spend on an answer; what it says beyond the length of the true one is not scored."""

    @property
    def label(self) -> str:
        return self.name or f"completion, {self.shots} shots"


TaskConfig = Annotated[Continuation | Completion, Field(discriminator="kind")]


class Chat(Config):
    """Whether answers to held-out dialogues keep the chat template."""

    answers: PositiveInt = 100
    max_tokens: PositiveInt = 128
    temperature: float = Field(default=0.7, ge=0)


class Samples(Config):
    """Free text, looked up in the training text for its longest verbatim match."""

    count: PositiveInt = 12
    max_tokens: PositiveInt = 100
    temperature: float = Field(default=0.8, ge=0)
    prompts: tuple[str, ...] = ()
    """Used in turn; without any, every other sample starts from nothing and the rest from openings of held-out documents."""


class Evaluate(Config):
    """The evaluation stage."""

    batch_size: PositiveInt = 32
    """Sequences in one call of the network; changes time and memory, no figure."""
    context: PositiveInt | None = Field(default=None, ge=2)
    """Tokens that the network sees at once; null: what it was trained with."""
    precision: Literal["fp32", "bf16"] = "fp32"
    documents: PositiveInt | None = 2000
    """Most held-out documents scored in bits per byte, evenly spaced over all of them; null: all."""
    ngram: int | None = Field(default=5, ge=1, le=7)
    """Order in bytes of the Kneser-Ney model that ours must beat; null: none."""
    tasks: tuple[TaskConfig, ...] = (Continuation(), Completion())
    chat: Chat | None = Chat()
    samples: Samples | None = Samples()

    @field_validator("tasks")
    @classmethod
    def _labels_differ(cls, tasks: tuple[Continuation | Completion, ...]) -> tuple[Continuation | Completion, ...]:
        labels = [task.label for task in tasks]
        twice = next((label for label in labels if labels.count(label) > 1), None)
        if twice is not None:
            raise ValueError(f"two tasks are called '{twice}': give one of them a 'name:'")
        return tasks
