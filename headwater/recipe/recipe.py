"""What a recipe file may say: a name, a seed, and one block for each stage that it wants.

    name: mine
    corpus: {sources: [{path: my/*.txt}]}
    tokenizer: {kind: bpe, vocab_size: 4096}
    tokens: {}
    pretrain: {model: {…}, steps: 1000, …}

A stage that is not named is not run.
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from headwater.alignment.config import SFT
from headwater.alignment.finetune_config import Finetune
from headwater.core.config import Config
from headwater.corpus.config import Corpus
from headwater.evaluation.config import Evaluate
from headwater.recipe.pretrain_config import Pretrain
from headwater.release.config import Release
from headwater.tokens.config import File, Special, TokenizerConfig, TokensConfig


class Recipe(Config):
    name: str = Field(default="recipe", pattern=r"^[^/\\\s.][^/\\]*$", description="names the workspace runs/NAME")
    seed: int = Field(default=1, ge=0)
    corpus: Corpus | None = None
    tokenizer: TokenizerConfig | None = None
    tokens: TokensConfig | None = None
    pretrain: Pretrain | None = None
    sft: SFT | None = None
    finetune: Finetune | None = None
    evaluate: Evaluate | None = None
    release: Release | None = None
    scales: dict[str, dict[str, Any]] = Field(default={}, description="named sizes: dotted keys and their values, chosen with --scale")

    @model_validator(mode="after")
    def _has_a_stage(self) -> Self:
        if not any((self.corpus, self.tokenizer, self.tokens, self.pretrain, self.sft, self.finetune, self.evaluate, self.release)):
            raise ValueError("a recipe names at least one stage (corpus, tokenizer, tokens, pretrain, sft, finetune, evaluate, release)")
        return self

    @model_validator(mode="after")
    def _finetune_fits_the_model(self) -> Self:
        """The recipe's own; another is looked at when it is opened."""
        if self.finetune is None or self.finetune.base is not None or self.pretrain is None:
            return self
        if (reason := self.finetune.task.fits(self.pretrain.model)) is not None:
            raise ValueError(f"the pretrained model cannot learn {self.finetune.task.kind}: {reason}")
        return self

    @model_validator(mode="after")
    def _writes_what_is_asked_of_it(self) -> Self:
        """Of the recipe's own model; another's is looked at when it is opened."""
        if self.pretrain is None and self.evaluate is not None and self.sft is not None and self.sft.base is not None:
            raise ValueError("evaluate measures a pretrained model of the recipe's own beside what is tuned; leave 'evaluate' out")
        model = self.pretrain.model if self.pretrain else None
        if model is None or model.kind == "decoder":
            return self
        if self.sft is not None and self.sft.base is None:
            raise ValueError(f"sft teaches a decoder to answer, and this model is an {model.kind}; teach it a task by a 'finetune:' block")
        if self.evaluate is not None:
            raise ValueError(f"evaluate measures plain text, which this {model.kind} does not write; leave 'evaluate' out")
        return self

    @model_validator(mode="after")
    def _vocabularies_agree(self) -> Self:
        wanted = getattr(self.tokenizer, "vocab_size", None)
        given = self.pretrain.model.vocab_size if self.pretrain else None
        if wanted is not None and given is not None and given < wanted:
            raise ValueError(f"pretrain.model.vocab_size is {given}, but tokenizer.vocab_size is {wanted}; leave the model's out")
        return self

    @model_validator(mode="after")
    def _tokenizer_has_what_is_learned_with(self) -> Self:
        if self.pretrain is None or not isinstance(self.tokenizer, Special) or isinstance(self.tokenizer, File):
            return self  # a tokenizer that exists is looked at when it is opened
        objective = self.pretrain.objective
        missing = [name for name in objective.specials if name not in self.tokenizer.specials]
        if missing:
            said = ", ".join([*self.tokenizer.specials, *missing])
            raise ValueError(f"{objective.kind} needs special tokens that the tokenizer lacks; say tokenizer.specials: [{said}]")
        needed = objective.sentinels(self.pretrain.model)
        if needed > self.tokenizer.sentinels:
            raise ValueError(f"{objective.kind} breaks a row into up to {needed} spans; say tokenizer.sentinels: {needed}")
        return self
