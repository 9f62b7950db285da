"""What may a recipe say about statistics? `true`, `false`, or a model of the user's to read the corpus with.

statistics: {model: runs/demo/pretrain}
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from headwater.core.config import Config

FILES = ("config.json", "model.safetensors", "tokenizer.json")


class Statistics(Config):
    """Besides what is counted in any case, on a sample of 1,000 documents: how predictable they are to a model (bits a byte), and how
    much of them it recites (Carlini et al. 2022): text that it has learned by heart, or that it saw in an evaluation set."""

    model: str
    """A model's directory."""
    prompt: int = Field(default=50, ge=1)
    """Tokens of a document's beginning that the model is given."""
    continuation: int = Field(default=50, ge=1)
    """Tokens after them that it has to recite."""

    def contents(self) -> dict[str, str]:
        """Of the model's files: another model gives other figures."""
        from headwater.core.storage import hash_file

        return {f"statistics/{name}": hash_file(Path(self.model) / name) for name in FILES}


def _kind_of(value: Any) -> str:
    return "Statistics" if isinstance(value, dict | Config) else "flag"


WhichStatistics = Annotated[Annotated[bool, Tag("flag")] | Annotated[Statistics, Tag("Statistics")], Discriminator(_kind_of)]
