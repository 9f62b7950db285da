"""Several processes on this machine, forked from one that has imported everything, so that they begin at once; and a run for them."""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
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
from headwater.training.config import Constant, GuardConfig, Training
from headwater.training.loop import Trained, train
from headwater.training.loss import token_loss
from headwater.training.ramp import size_at

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["headwater.training.loop", "headwater.parallel.several", "headwater.objectives.causal", "pytest"])

SHAPE = ModelConfig(layers=2, width=32, heads=2, context=16, vocab_size=50)
CONFIG = Training(
    steps=12, batch_size=8, schedule=Constant(warmup=2), precision="fp32", log_every=1, validate_every=6, sample_every=6,
    checkpoint_every=100, guard=GuardConfig(warmup=8),
)  # fmt: skip


@dataclass
class Ended:
    """How a process ended: with a value, or an error's name and sentence."""

    value: Any = None
    error: str = ""
    sentence: str = ""


def together(size: int, work: Callable[..., Any], *arguments: Any, seconds: float = 120) -> list[Ended]:
    """Call `work(rank, *arguments)` in so many processes that form a group; what each gave back."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"file://{folder}/store"
        pipes, processes = [], []
        for rank in range(size):
            here, there = CONTEXT.Pipe(duplex=False)
            processes.append(CONTEXT.Process(target=_one, args=(rank, size, store, there, work, arguments)))
            processes[-1].start()
            there.close()
            pipes.append(here)
        ended = []
        for rank, (pipe, process) in enumerate(zip(pipes, processes, strict=True)):
            assert pipe.poll(seconds), f"process {rank} hangs"
            try:
                ended.append(pipe.recv())
            except EOFError:
                ended.append(Ended(error="died"))
            process.join(10)
            if process.is_alive():
                process.kill()
        return ended


def values(ended: list[Ended]) -> list[Any]:
    """What all gave back; none may have failed."""
    assert not any(each.error for each in ended), "\n".join(f"{each.error}: {each.sentence}" for each in ended)
    return [each.value for each in ended]


def _one(rank: int, size: int, store: str, pipe: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=size)
    try:
        pipe.send(Ended(value=work(rank, *arguments)))
    except Exception as error:
        expected = type(error).__module__.startswith("headwater.")
        pipe.send(Ended(error=type(error).__name__, sentence=str(error) if expected else traceback.format_exc()))
    finally:
        pipe.close()


class Counting:
    """Rows that count upwards from a random start: easy to learn. `at(step)` is called before a batch is read."""

    def __init__(self, config: Training, at: Callable[[int], None] = lambda step: None) -> None:
        self.config, self.at = config, at
        self.read: list[int] = []

    def batch(self, step: int) -> Batch:
        self.read.append(step)
        self.at(step)
        starts = np.random.default_rng(step).integers(0, 50, (size_at(self.config.batch_size, step), 1))
        return causal_rows((starts + np.arange(SHAPE.context + 1)) % 50, end=0, across_documents=True)

    def documents(self, step: int) -> list[str]:
        return [f"document-{step}"]


@dataclass
class Told:
    """What a run on one process came to."""

    losses: list[float]
    read: list[int]
    weights: dict[str, np.ndarray]
    trained: Trained
    validations: list[float] = field(default_factory=list)

    @property
    def bits(self) -> dict[str, bytes]:
        return {name: weight.tobytes() for name, weight in self.weights.items()}


def learn(
    folder: Path, config: Training = CONFIG, shape: ModelConfig = SHAPE, *, rank: int = 0, shared: Path | None = None, **options: Any
) -> Told:
    """Train here, in this process's part of its group. `shared` is the folder of all for checkpoints."""
    own = folder / f"rank-{rank}"
    own.mkdir(parents=True, exist_ok=True)
    network = shape.build(1)
    data = Counting(config, options.pop("at", lambda step: None))
    prepare: Callable[[Network], None] = options.pop("prepare", lambda network: None)
    prepare(network)

    def validate() -> dict[str, Any]:
        batch = Counting(config).batch(10_000)
        return {"bits_per_byte": float(token_loss(network, batch)) / batch.weight}

    work = Work(own, {}, seed=3, report=Reporter(), shared=shared or folder / "shared")
    loss = options.pop("loss", token_loss)
    trained = train(network, data, loss, config, work=work, name="test", validate=validate, sample=lambda: [("p", "t")], **options)
    rows = [json.loads(line) for line in (own / "metrics.jsonl").read_bytes().strip(b"\0").splitlines()]
    return Told(
        [row["loss"] for row in rows if row["kind"] == "train"],
        data.read,
        {name: tensor.detach().numpy().copy() for name, tensor in network.state_dict().items()},
        trained,
        [row["bits_per_byte"] for row in rows if row["kind"] == "validation"],
    )
