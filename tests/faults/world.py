"""What the tests of faults train: a model of 27 k parameters that learns to count, in a second, and the means to compare its runs.

Row `r` of batch `place` is made of one document, `document-<place>-<r>`; every row counts upwards from a random start.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headwater.core.artifact import Work
from headwater.core.progress import Reporter
from headwater.model.config import ModelConfig
from headwater.model.network import Network
from headwater.objectives.causal import causal_rows
from headwater.tokens.batch import Batch
from headwater.training.config import AdamW, Cosine, GuardConfig, Training
from headwater.training.loop import Data, Trained, train
from headwater.training.loss import token_loss

ROWS = 8
SHAPE = ModelConfig(layers=2, width=32, heads=2, context=16, dropout=0.1, vocab_size=50)
CONFIG = Training(
    steps=30, batch_size=ROWS, schedule=Cosine(warmup=5), optimizer=AdamW(lr=1e-2), precision="fp32", log_every=1, validate_every=10,
    sample_every=15, checkpoint_every=7, guard=GuardConfig(warmup=8, verify_moments_every=1),
)  # fmt: skip


def changed(**update: Any) -> Training:
    """The config with other settings; those of `guard` are laid over its own."""
    guard = {**CONFIG.guard.model_dump(), **update.pop("guard", {})}
    return Training.model_validate({**CONFIG.model_dump(), **update, "guard": guard})


class Counting:
    """`poison` are rows of batches whose tokens are drawn at random: nobody can foretell them. `blank` are batches with a loss of NaN,
    `without` such as do not exist. `before` is called before each batch."""

    def __init__(
        self,
        poison: dict[int, list[int]] | None = None,
        before: Callable[[int], None] | None = None,
        blank: Collection[int] = (),
        without: Collection[int] = (),
    ) -> None:
        self.poison, self.before, self.blank, self.without = poison or {}, before, blank, without
        self.read: list[int] = []

    def batch(self, place: int) -> Batch:
        if self.before is not None:
            self.before(place)
        self.read.append(place)
        for left_out in sorted(self.without):
            place += left_out <= place
        draw = np.random.default_rng(place)
        rows = (draw.integers(0, 50, (ROWS, 1)) + np.arange(SHAPE.context + 1)) % 50
        for row in self.poison.get(place, []):
            rows[row] = draw.integers(0, 50, SHAPE.context + 1)
        batch = causal_rows(rows, end=0, across_documents=True)
        return dataclasses.replace(batch, weights_BT=batch.weights_BT * math.nan) if place in self.blank else batch

    def row_documents(self, place: int) -> list[list[str]]:
        return [[f"document-{place}-{row}"] for row in range(ROWS)]

    def documents(self, place: int) -> list[str]:
        return [id for row in self.row_documents(place) for id in row]

    def about(self, ids: list[str]) -> dict[str, dict[str, str]]:
        return {id: {"source": "counting", "text": f"the text of {id}"} for id in ids}


def run(folder: Path, data: Data, config: Training = CONFIG, network: Network | None = None, **means: Any) -> tuple[Network, Trained]:
    """Train in `folder`, or go on there."""
    network = SHAPE.build(1) if network is None else network
    folder.mkdir(parents=True, exist_ok=True)

    def validate() -> dict[str, Any]:
        batch = Counting().batch(10_000)
        return {"bits_per_byte": float(token_loss(network, batch)) / batch.weight}

    work = Work(folder, {}, seed=3, report=Reporter())
    means = {"loss": token_loss, "sample": lambda: [("p", "t")], **means}
    return network, train(network, data, config=config, work=work, name="test", validate=validate, **means)


def bits(network: torch.nn.Module) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}


def logs(folder: Path) -> dict[str, bytes]:
    """What of a run is hashed, by name: all but the journal and what is deleted when the run is whole."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    names = {file.relative_to(folder).as_posix(): file for file in files}
    return {name: file.read_bytes() for name, file in names.items() if name.split("/")[0] not in ("journal", "scratch")}


def rows_of(folder: Path, kind: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == kind]


def flip(tensor: torch.Tensor, place: int = 0, bit: int = 30) -> None:
    """Flip one bit of an fp32 tensor where it lies, as a cosmic ray would: no version counter, no hook sees it."""
    words = tensor.detach().view(-1).view(torch.int32).numpy()
    words[place] ^= np.int32(-(1 << 31) if bit == 31 else 1 << bit)
