"""What a recipe file may say: a name, a seed, and one block for each stage that it wants.

    name: mine
    corpus: {sources: [{path: my/*.txt}]}
    tokenizer: {kind: bpe, vocab_size: 4096}
    tokens: {}
    pretrain: {model: {…}, steps: 1000, …}

A stage that is not named is not run.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from headwater.alignment.config import SFT
from headwater.core.config import Config
from headwater.corpus.config import Corpus
from headwater.evaluation.config import Evaluate
from headwater.recipe.pretrain_config import Pretrain
from headwater.release.config import Release
from headwater.tokens.config import BPE, TokenizerConfig, TokensConfig


class Recipe(Config):
    name: str = Field(default="recipe", pattern=r"^[^/\\\s.][^/\\]*$", description="names the workspace runs/NAME")
    seed: int = Field(default=1, ge=0)
    corpus: Corpus | None = None
    tokenizer: TokenizerConfig | None = None
    tokens: TokensConfig | None = None
    pretrain: Pretrain | None = None
    sft: SFT | None = None
    evaluate: Evaluate | None = None
    release: Release | None = None

    @model_validator(mode="after")
    def _has_a_stage(self) -> Self:
        if not any((self.corpus, self.tokenizer, self.tokens, self.pretrain, self.sft, self.evaluate, self.release)):
            raise ValueError("a recipe names at least one stage (corpus, tokenizer, tokens, pretrain, sft, evaluate, release)")
        return self

    @model_validator(mode="after")
    def _vocabularies_agree(self) -> Self:
        wanted = self.tokenizer.vocab_size if isinstance(self.tokenizer, BPE) else None
        given = self.pretrain.model.vocab_size if self.pretrain else None
        if wanted is not None and given is not None and wanted != given:
            raise ValueError(f"pretrain.model.vocab_size is {given}, but tokenizer.vocab_size is {wanted}; leave the model's out")
        return self
