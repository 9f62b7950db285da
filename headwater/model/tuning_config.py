"""From which weights does a run start, and what of them learns? Nothing here loads torch.

In: sub-blocks of a recipe. Out: configs that model/transfer.py and model/adapters.py read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from headwater.core.config import Config
from headwater.core.errors import HeadwaterError
from headwater.core.storage import hash_file, read_json

ABOUT = "headwater.json"


def about(folder: str | Path) -> dict[str, Any]:
    """A model directory's headwater.json. Raises HeadwaterError where the folder is none, or another's checkpoint."""
    file = Path(folder) / ABOUT
    if file.is_file():
        found = read_json(file)
        if not isinstance(found, dict) or not isinstance(found.get("config"), dict):
            raise HeadwaterError("does not describe a model", where=file, mend="it was damaged: make or import the model again")
        return found
    if not Path(folder).is_dir():
        raise HeadwaterError("no such model directory", where=folder, mend="name one that `headwater run` or `headwater import` made")
    if (Path(folder) / "config.json").is_file():
        raise HeadwaterError("is a checkpoint of Hugging Face's, no model directory yet", where=folder,
                             mend=f"`headwater import {folder} models/{Path(folder).name}` makes one")  # fmt: skip
    raise HeadwaterError(
        f"is no model directory (it has no {ABOUT})", where=folder, mend="name one that `headwater run` or `headwater import` made"
    )


def contents_of(folder: str, label: str) -> dict[str, str]:
    """`{file: content hash}` of the one file that stands for all of a model directory: it holds the hashes of weights and tokenizer."""
    about(folder)
    return {f"{label}/{ABOUT}": hash_file(str(Path(folder) / ABOUT))}


class InitFrom(Config):
    """Transfer learning: weights of another model in place of drawn ones.

    `all`: every tensor, a head only where it is of the same kind; `body`: all but the head; `embedding`: the table of tokens alone
    (`model.embedding.width` then says its width, and a projection joins it to the model's, as in OPT-350M). Rows of tokens that both
    vocabularies spell alike are kept; a new token begins at the mean of all rows, with a little noise (Hewitt 2021).
    """

    model: str = Field(min_length=1, description="a model directory")
    parts: Literal["all", "body", "embedding"] = "all"

    def contents(self) -> dict[str, str]:
        return contents_of(self.model, "init_from")


class LoRA(Config):
    """Low-rank adapters (Hu et al. 2022): the weights W stay, and W + alpha/rank · B A is what computes; only A and B learn.

    `base` says how the frozen matrices that they stand on are kept: as they are, in 8 bits a number (rows scaled by their largest), or
    in 4 (NF4 in blocks, Dettmers et al. 2023, section 3).
    """

    kind: Literal["lora"] = "lora"
    rank: PositiveInt = 8
    alpha: PositiveFloat = 16.0
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0, description="of what A reads")
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("*.attention.query", "*.attention.value")
    learned: tuple[str, ...] = Field(default=(), description="globs of tensors that learn whole beside them: a new head, new tokens' table")
    base: Literal["as-is", "int8", "nf4"] = "as-is"
    block: PositiveInt = Field(default=64, description="numbers that share a scale in nf4")

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if self.block % 2:
            raise ValueError(f"a block of {self.block} numbers cannot be kept two to a byte; take an even one")
        return self
