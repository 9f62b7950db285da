"""Which architecture can learn which objective? The table, with the reason for each pair that makes no sense.

    refused("masked", "decoder")  ->  "a decoder sees nothing after a hidden token; …"        refused("causal", "decoder")  ->  None

A `recurrent` network is a decoder whose layers are LSTMs or convolutions.
"""

from __future__ import annotations

from typing import Literal

from headwater.model.config import ModelConfig

Architecture = Literal["decoder", "recurrent", "encoder", "encoder-decoder"]

SEES_ALL = "an encoder reads both ways, so that it would see what it is to predict; use masked, or a decoder"
WRITES_NOTHING = "an encoder writes no text of its own, it fills in tokens where they stand; use masked, or an encoder-decoder"
ONE_WAY = "an LSTM or a convolution reads one way and cannot see given text whole; use causal or fim, or attention"
NO_SOURCE = "an encoder-decoder writes about a text that its encoder reads, and here there is none; use prefix or span, or a decoder"

REFUSED: dict[str, dict[Architecture, str]] = {
    "causal": {"encoder": SEES_ALL, "encoder-decoder": NO_SOURCE},
    "multi_token": {"encoder": SEES_ALL, "encoder-decoder": NO_SOURCE},
    "fim": {"encoder": SEES_ALL, "encoder-decoder": NO_SOURCE},
    "prefix": {"encoder": SEES_ALL, "recurrent": ONE_WAY},
    "masked": {
        "decoder": "a decoder sees nothing after a hidden token; use causal or prefix, or an encoder",
        "recurrent": "an LSTM or a convolution sees nothing after a hidden token; use causal, or an encoder",
        "encoder-decoder": "a decoder writes a text of its own instead of filling in tokens where they stand; use span or denoise",
    },
    "span": {"encoder": WRITES_NOTHING, "recurrent": ONE_WAY},
    "denoise": {"encoder": WRITES_NOTHING, "recurrent": ONE_WAY},
    "ul2": {"encoder": WRITES_NOTHING, "recurrent": ONE_WAY},
    "glm": {
        "encoder": WRITES_NOTHING,
        "recurrent": ONE_WAY,
        "encoder-decoder": "GLM writes into the row that it reads, so that one stack does both; use span, or a decoder",
    },
    "seq2seq": {"encoder": WRITES_NOTHING, "recurrent": ONE_WAY},
}
"""By objective, the architectures that cannot learn it; all others can."""


def architecture(model: ModelConfig) -> Architecture:
    return "recurrent" if model.mixer.kind != "attention" else model.kind


def one_row(model: ModelConfig) -> bool:
    """A decoder reads source and target in one row, an encoder–decoder in one each."""
    return model.kind != "encoder-decoder"


def refused(kind: str, here: Architecture) -> str | None:
    return REFUSED[kind].get(here)
