"""What a recipe may say about pretraining."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, PositiveInt, model_validator

from headwater.generation.sampling import Sampling
from headwater.model.config import ModelConfig
from headwater.model.tuning_config import InitFrom, about
from headwater.objectives.config import Causal, Mixture, TextObjective
from headwater.tokens.order_config import OrderConfig, Shuffled
from headwater.training.config import Training
from headwater.training.loss_config import LossConfig
from headwater.training.ramp import Size, largest

LANGUAGE = ("causal", "multi_token", "fim")  # what a decoder learns by them is the probability of plain text
SHORTENS = ("causal", "multi_token", "fim")  # objectives whose rows may be of any length


class Pretrain(Training):
    """One network, one objective (or a mixture), the corpus's tokens; weights are drawn, or another's (Howard and Ruder 2018)."""

    model: ModelConfig = Field(description="may be left out where init_from gives all of it")
    init_from: InitFrom | None = None
    objective: Annotated[TextObjective | Mixture, Field(discriminator="kind")] = Causal()
    length: Size | None = Field(
        default=None, description="tokens of a row while they grow; null: as many as the context takes (Li et al. 2022)"
    )
    order: OrderConfig = Shuffled()
    loss: LossConfig = LossConfig()
    validation_documents: PositiveInt = Field(default=200, description="held-out documents scored during training, evenly spaced")
    validation_rows: PositiveInt = Field(default=128, description="held-out rows of an objective that is not plain text's, evenly spaced")
    prompts: tuple[str, ...] = ("",)
    sampling: Sampling = Sampling(temperature=0.8, top_p=0.95, max_tokens=100)

    @model_validator(mode="before")
    @classmethod
    def _is_what_it_starts_from(cls, data: Any) -> Any:
        """Without `model` it is the one whose weights are taken, over the vocabulary of the recipe's tokenizer."""
        start = data.get("init_from") if isinstance(data, dict) and "model" not in data else None
        if isinstance(start, InitFrom):
            start = start.model_dump()
        if isinstance(start, dict) and isinstance(start.get("model"), str) and start.get("parts", "all") != "embedding":
            return {**data, "model": {**about(start["model"])["config"], "vocab_size": None}}
        return data

    @model_validator(mode="after")
    def _can_be_learned(self) -> Self:
        if (reason := self.objective.fits(self.model)) is not None:
            raise ValueError(f"this model cannot learn {self.objective.kind}: {reason}")
        if self.model.init.kind == "mup" and self.optimizer.kind not in ("adam", "adamw"):
            raise ValueError(f"muP's rates are made for Adam, and the optimizer is {self.optimizer.kind}; say optimizer: {{kind: adamw}}")
        return self

    @model_validator(mode="after")
    def _rows_can_be_short(self) -> Self:
        if self.length is None:
            return self
        if self.objective.kind not in SHORTENS:
            raise ValueError(
                f"length: rows of {self.objective.kind} cannot be cut short; leave 'length' out, or take {' or '.join(SHORTENS)}"
            )
        whole = self.objective.raw_length(self.model)
        if largest(self.length) > whole:
            raise ValueError(
                f"length: rows of {largest(self.length):,} tokens are longer than the {whole:,} that the model's context takes"
            )
        return self

    @property
    def row_length(self) -> Size | None:
        return self.length

    @property
    def speaks(self) -> bool:
        """Whether what is learned is the probability of plain text, so that bits per byte can be told."""
        parts = [part.objective for part in self.objective.of] if isinstance(self.objective, Mixture) else [self.objective]
        return any(part.kind in LANGUAGE for part in parts)
