"""Special tokens beside a vocabulary in which every token of a text is another, so that what is seen twice is a leak."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from headwater.core.random import stream
from headwater.model.config import ModelConfig
from headwater.objectives.build import assemble
from headwater.objectives.config import ObjectiveConfig
from headwater.objectives.rows import Ids, Objective, make
from headwater.objectives.specials import Specials
from headwater.objectives.words import Words
from headwater.tokens.batch import Batch, Inputs
from headwater.tokens.config import Bytes
from headwater.tokens.masks import Places
from headwater.tokens.tokenizer import Tokenizer, train

NAMES = ("mask", "gmask", "sop", "eop", "cls", "sep", "start", "prefix", "middle", "suffix", "r", "s", "x")
FIRST, SIZE = 300, 4000  # ids of text, all ordinary
END = 0

DECODER: dict[str, Any] = {"kind": "decoder"}
PAIR: dict[str, Any] = {"kind": "encoder-decoder"}
ENCODER: dict[str, Any] = {"kind": "encoder", "head": {"kind": "mlm"}}
LSTM: dict[str, Any] = {"mixer": {"kind": "lstm"}, "positions": {"kind": "none"}}


def model(context: int = 64, **changes: Any) -> ModelConfig:
    base = {"layers": 2, "width": 32, "heads": 2, "context": context, "vocab_size": SIZE}
    return ModelConfig.model_validate({**base, **changes})


def config(**fields: Any) -> Any:
    return TypeAdapter(ObjectiveConfig).validate_python(fields)


SPECIALS = Specials(
    {name: place for place, name in enumerate(["end", "pad", *NAMES])},
    np.arange(20, 220),
    np.arange(FIRST, SIZE),
    Words(np.arange(SIZE) % 3 != 0, np.zeros(SIZE, bool), np.arange(SIZE) % 10 == 9),
)


def built(architecture: ModelConfig, **fields: Any) -> Objective:
    asked = config(**fields)
    assert asked.fits(architecture) is None
    return assemble(asked, architecture, SPECIALS)


def unique_texts(objective: Objective, rows: int, ends: Sequence[int] = ()) -> list[list[Ids]]:
    """Texts in which no token stands twice; end tokens at the given places."""
    found = []
    for row in range(rows):
        ids = stream(1, "text", row).permutation(np.arange(FIRST, SIZE))[: (objective.raw + 1) * objective.windows]
        texts = list(ids.reshape(objective.windows, -1))
        for text in texts:
            text[[place for place in ends if place < len(text)]] = END
        found.append(texts)
    return found


def batch_of(objective: Objective, rows: int = 8, ends: Sequence[int] = ()) -> Batch:
    return make(objective, unique_texts(objective, rows, ends), streams(range(rows)))


def streams(rows: Sequence[int]) -> list[np.random.Generator]:
    return [stream(5, "objective", row) for row in rows]


def seen(inputs: Inputs, row: int, place: int) -> list[int]:
    """The tokens that a place of a row may attend to, by the dense mask."""
    T = inputs.tokens_BT.shape[1]
    places = torch.arange(T)[None]

    def of(tensor: torch.Tensor | None) -> torch.Tensor | None:
        return None if tensor is None else tensor[row : row + 1]

    allowed = inputs.mask.dense(Places(places, places, of(inputs.segments_BT), of(inputs.segments_BT), of(inputs.prefix_BT)))
    return inputs.tokens_BT[row][allowed.expand(1, T, T)[0, place]].tolist()


@pytest.fixture(scope="session")
def byte_tokenizer() -> Tokenizer:
    return train(Bytes(specials=NAMES, sentinels=40), [])
