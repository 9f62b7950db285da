"""What may a recipe say about supervised fine-tuning of a head? Nothing here loads torch.

    finetune:
      task: {kind: classification, text_field: review, label_field: stars}
      sources: [{path: reviews.jsonl}]
      steps: 300

In: the `finetune:` block. Out: frozen configs that alignment/finetune.py reads. Fields are names of columns of rows.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from headwater.core.config import Config
from headwater.corpus.read.config import LinkSource, Reading, Source
from headwater.model.config import ModelConfig
from headwater.model.tuning_config import LoRA, contents_of
from headwater.objectives.config import Decay, Seq2Seq
from headwater.training.config import AdamW, GuardConfig, Linear, OptimizerConfig, ScheduleConfig, Training
from headwater.training.loss_config import LossConfig

Pool = Literal["first", "last", "mean"]


def _reads_texts(kind: str, model: ModelConfig, pool: Pool | None = None) -> str | None:
    if model.kind == "encoder-decoder":
        return f"{kind} is learned by one stack; take an encoder or a decoder, or write the label as a text by seq2seq"
    return "a decoder's first token has seen only itself; say pool: last" if model.kind == "decoder" and pool == "first" else None


class Classification(Config):
    """Of which class is a text (Devlin et al. 2019, section 4.1)? With `second_field` a pair of texts, as in entailment."""

    kind: Literal["classification"] = "classification"
    text_field: str = "text"
    second_field: str | None = None
    label_field: str = "label"
    labels: tuple[str, ...] | None = Field(default=None, description="in the order of the model's classes; else those found, sorted")
    pool: Pool | None = Field(default=None, description="where a text is read: by default an encoder's first token, a decoder's last")

    @model_validator(mode="after")
    def _differ(self) -> Self:
        _check_labels(self.labels)
        return self

    def fits(self, model: ModelConfig) -> str | None:
        """None, or why this model cannot learn it."""
        return _reads_texts(self.kind, model, self.pool)


class Regression(Config):
    """Which number belongs to a text, or to a pair of them (as in STS-B, Cer et al. 2017)?"""

    kind: Literal["regression"] = "regression"
    text_field: str = "text"
    second_field: str | None = None
    label_field: str = "label"
    pool: Pool | None = None

    def fits(self, model: ModelConfig) -> str | None:
        return _reads_texts(self.kind, model, self.pool)


class Tagging(Config):
    """A tag for each word: names (Tjong Kim Sang and De Meulder 2003), parts of speech. Rows hold a list of words and one of tags."""

    kind: Literal["tagging"] = "tagging"
    words_field: str = "tokens"
    tags_field: str = "tags"
    labels: tuple[str, ...] | None = None
    join: str = Field(default=" ", description="what stands between two words in running text; '' for Chinese characters")

    @model_validator(mode="after")
    def _differ(self) -> Self:
        _check_labels(self.labels)
        return self

    def fits(self, model: ModelConfig) -> str | None:
        return _reads_texts(self.kind, model)


class Span(Config):
    """Where in a text does the answer stand (SQuAD, Rajpurkar et al. 2016)? An empty list of answers: the text has none (2018).

    Rows hold `answers: {text: […], answer_start: […]}`, a list of answers, or one answer; SQuAD's own JSON is read too.
    """

    kind: Literal["span"] = "span"
    context_field: str = "context"
    question_field: str = "question"
    answer_field: str = "answers"
    stride: PositiveInt = Field(default=128, description="a long text is read in windows that begin so many tokens apart (BERT's 128)")
    longest_question: PositiveInt = Field(default=64, description="tokens; what follows is cut (BERT's 64)")
    longest_answer: PositiveInt = Field(default=30, description="tokens of a predicted answer (BERT's 30)")

    def fits(self, model: ModelConfig) -> str | None:
        return _reads_texts(self.kind, model)


class Sequences(Config):
    """Write a target from its source: translation, summarisation (Sutskever et al. 2014)."""

    kind: Literal["seq2seq"] = "seq2seq"
    source_field: str = "source"
    target_field: str = "target"
    packed: bool = True
    decay: Decay | None = Field(default=None, description="scheduled sampling")
    max_tokens: PositiveInt = Field(default=128, description="longest text that is written when held-out sources are judged")

    @property
    def objective(self) -> Seq2Seq:
        return Seq2Seq(packed=self.packed, decay=self.decay)

    def fits(self, model: ModelConfig) -> str | None:
        return self.objective.fits(model)


Task = Annotated[Classification | Regression | Tagging | Span | Sequences, Field(discriminator="kind")]


class HeldOutExamples(Config):
    """Examples that nothing is learned from: rows of sources of their own, else a share of the texts, with all rows that have them."""

    fraction: float = Field(default=0.1, gt=0, lt=1)
    sources: tuple[Source, ...] | None = Field(default=None, min_length=1)


class Finetune(Training):
    """A pretrained model with a new head learns from labelled examples (Howard and Ruder 2018; Radford et al. 2018; Devlin et al. 2019)."""

    base: str | None = Field(default=None, min_length=1, description="a model directory; else the recipe's own pretrained model")
    task: Task
    sources: tuple[Source, ...] = Field(min_length=1)
    heldout: HeldOutExamples = HeldOutExamples()
    optimizer: OptimizerConfig = AdamW(lr=3e-4, weight_decay=0.01, betas=(0.9, 0.999))
    schedule: ScheduleConfig = Linear(warmup=20)
    # Losses of few classes are near 0 but for the hard examples, which are what is left to learn: those are no accidents.
    guard: GuardConfig = GuardConfig(threshold=100.0)
    loss: LossConfig = LossConfig()
    adapter: LoRA | None = Field(
        default=None, description="what learns beside a new head in place of the weights; merged into them at the end"
    )
    validation_examples: PositiveInt = Field(default=500, description="held-out examples looked at during training, evenly spaced")

    @model_validator(mode="after")
    def _terms_are_of_tokens(self) -> Self:
        if self.loss != LossConfig() and self.task.kind not in ("tagging", "seq2seq"):
            raise ValueError(f"the terms of 'loss' are of single tokens, and {self.task.kind} learns from none; leave 'loss' out")
        return self

    @model_validator(mode="after")
    def _sources_have_rows(self) -> Self:
        for source in (*self.sources, *(self.heldout.sources or ())):
            if isinstance(source, LinkSource):
                raise ValueError("a list of links is a source of a corpus only; name files by 'path:' or 'package:'")
            for name in ("text_field", "thread", "divide", "join", "replace", "longest"):
                if getattr(source, name) != Reading.model_fields[name].get_default(call_default_factory=True):
                    raise ValueError(f"'{name}' of a source is for a corpus; labelled rows are read by the fields that 'task' names")
        return self

    def contents(self) -> dict[str, str]:
        """With the base model's."""
        return {**super().contents(), **(contents_of(self.base, "base") if self.base is not None else {})}


def _check_labels(labels: tuple[str, ...] | None) -> None:
    if labels is None:
        return
    if len(set(labels)) < len(labels):
        raise ValueError(f"the label '{next(label for label in labels if labels.count(label) > 1)}' stands twice; keep one")
    if len(labels) < 2:
        raise ValueError("with fewer than 2 labels there is nothing to tell apart; name all of them")
