"""Tokens a second of a whole training step: ours, nanoGPT's as shipped for CPUs and under bf16 autocast, and transformers' Trainer.

    HEADWATER_PEERS=… python benchmarks/train_throughput.py [--quick] [--busy] [--profile] [--curves [--rows 16] [--steps 500]]

The network is GPT-2's with 12 M parameters (6 layers, width 384, 6 heads, context 256, 4,096 tokens, no biases, as nanoGPT's
train.py has it), 16 rows a step; ours begins with nanoGPT's weights, and both losses are asserted equal before a step is timed.
A step is all that a step does: rows from a memory-mapped file, forward, backward, gradient clipping, (ours: the guard's judgement,
logs) and AdamW. Ours is `training.loop.train` itself, at its default precision; the peers take their turns between our steps, where the
loop asks for its next batch, so that all sides meet the same machine; they live in a process of their own, for what ours does to its
process (training/allocator.py) is not theirs. A turn is three steps, the first of which is not counted.

- `nanogpt`: its model.py with the step of its train.py on `--device=cpu --compile=False`: fp32, foreach AdamW.
- `nanogpt bf16`: the same under bf16 autocast, which its train.py does not offer on a CPU; compiled too, where that works.
- `trainer`: transformers' Trainer with GPT2LMHeadModel, as it comes (fp32), and `trainer bf16` with `bf16=True`.

`relu2 rope` is ours with RMSNorm, RoPE and squared ReLU, of as many parameters but the table of positions; it is no part of the headline.
`--busy`: one thread and processor time, for a machine with other work on it. `--curves`: 500 steps of ours on real text in fp32 and in
bf16, for three seeds: does the precision move the loss by less than a seed does?

Legend: B rows, T positions.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _peer import CACHE, checkout, machine, summary

from headwater.core.artifact import Work
from headwater.core.hardware import cpu_has_bf16
from headwater.core.progress import Reporter
from headwater.model.config import ModelConfig
from headwater.model.families.family import restore
from headwater.model.families.gpt2 import GPT2
from headwater.model.network import Network
from headwater.tokens.batch import Batch, Inputs
from headwater.training.config import AdamW, Cosine, Training
from headwater.training.loop import train
from headwater.training.loss import mean_loss, token_loss

SIZES = {"layers": 6, "width": 384, "heads": 6, "context": 256, "vocab_size": 4096}
LAYER = {"kind": "layer", "eps": 1e-5}
SAID = {**SIZES, "norm": LAYER, "positions": {"kind": "learned"}, "feed_forward": {"kind": "gelu", "approximate": "none"}}
MODERN = {**SIZES, "feed_forward": {"kind": "relu2"}}
ROWS, T = 16, 256
TURN = 3  # steps; the first is not counted
RATE, BETAS, DECAY = 6e-4, (0.9, 0.95), 0.1  # nanoGPT's train.py
CLOCK: list[Callable[[], float]] = [time.perf_counter]
SILENT = Reporter()


class Rows:
    """Rows of a memory-mapped file at places drawn by the step: what nanoGPT's get_batch does, for every side."""

    def __init__(self, file: Path, rows: int = ROWS, seed: int = 0) -> None:
        self.tokens = np.memmap(file, dtype=np.uint16, mode="r")
        self.rows, self.seed = rows, seed

    def pair(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        places = np.random.default_rng((self.seed, step)).integers(len(self.tokens) - T, size=self.rows)
        rows_BT = torch.from_numpy(np.stack([self.tokens[at : at + T + 1] for at in places]).astype(np.int64))
        return rows_BT[:, :-1].contiguous(), rows_BT[:, 1:].contiguous()

    def batch(self, step: int) -> Batch:
        tokens_BT, targets_BT = self.pair(step)
        return Batch(Inputs(tokens_BT), targets_BT, torch.ones(targets_BT.shape))

    def documents(self, step: int) -> list[str]:
        return []


class Turns(Rows):
    """Our data, which times our steps and lets `others` take their turns after each `TURN` of them."""

    def __init__(self, file: Path, others: Callable[[], None]) -> None:
        super().__init__(file)
        self.others, self.seconds, self.started = others, list[float](), 0.0

    def batch(self, step: int) -> Batch:
        if step % TURN:
            self.seconds.append(CLOCK[0]() - self.started)
        elif step:
            self.seconds.append(CLOCK[0]() - self.started)
            self.others()
        self.started = CLOCK[0]()
        return super().batch(step)


def trained(network: Network, data: Rows, steps: int, folder: Path, precision: str = "auto", log_every: int = 10) -> float | None:
    """Our loop for so many steps; the last one's loss."""
    config = Training(
        steps=steps, batch_size=data.rows, optimizer=AdamW(lr=RATE, betas=BETAS, weight_decay=DECAY),
        schedule=Cosine(warmup=min(100, steps // 5)), precision=precision, log_every=log_every,
        validate_every=1 << 30, sample_every=1 << 30, checkpoint_every=1 << 30,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)

    def validate() -> dict[str, Any]:
        return {"bits_per_byte": 0.0}

    def sample() -> Iterable[tuple[str, str]]:
        return ()

    work = Work(folder, {}, seed=0, report=SILENT)
    return train(network, data, token_loss, config, work=work, name="benchmark", validate=validate, sample=sample).loss


def turn(step: Callable[[int], object]) -> list[float]:
    """Seconds of a turn's counted steps."""
    seconds = []
    for number in range(TURN):
        started = CLOCK[0]()
        step(number)
        seconds.append(CLOCK[0]() - started)
    return seconds[1:]


def nanogpt() -> Any:
    """Its model.py, and a network of it."""
    spec = importlib.util.spec_from_file_location("nanogpt_model", checkout("nanoGPT") / "model.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["nanogpt_model"] = module
    spec.loader.exec_module(module)
    torch.manual_seed(1337)
    sizes = {"n_layer": SIZES["layers"], "n_head": SIZES["heads"], "n_embd": SIZES["width"], "vocab_size": SIZES["vocab_size"]}
    with contextlib.redirect_stdout(sys.stderr):
        return module.GPT(module.GPTConfig(block_size=T, dropout=0.0, bias=False, **sizes))


def nanogpt_step(data: Rows, bf16: bool, compiles: bool) -> Callable[[int], object]:
    """What its train.py does in an iteration with gradient_accumulation_steps=1 on a CPU."""
    network = nanogpt()
    with contextlib.redirect_stdout(sys.stderr):
        optimizer = network.configure_optimizers(DECAY, RATE, BETAS, "cpu")
    called = torch.compile(network) if compiles else network

    def step(number: int) -> float:
        inputs_BT, targets_BT = data.pair(number)
        with torch.autocast("cpu", torch.bfloat16) if bf16 else contextlib.nullcontext():
            _, loss = called(inputs_BT, targets_BT)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(loss.item())

    return step


def with_accelerate() -> None:
    """What the Trainer needs beside transformers, in a cached folder of its own."""
    if importlib.util.find_spec("accelerate") is not None:
        return
    folder = CACHE / "accelerate-1.12"
    if not (folder / "complete").exists():
        packages = ["accelerate==1.12.0", "psutil"]
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", folder, *packages],
            check=True,
        )
        (folder / "complete").touch()
    sys.path.append(str(folder))


def trainer_turn(data: Rows, folder: Path, bf16: bool) -> Callable[[], list[float]]:
    with_accelerate()
    import transformers

    transformers.utils.logging.set_verbosity_error()
    config = transformers.GPT2Config(
        vocab_size=SIZES["vocab_size"], n_positions=T, n_embd=SIZES["width"], n_layer=SIZES["layers"], n_head=SIZES["heads"],
        activation_function="gelu", resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0, use_cache=False,
    )  # fmt: skip
    network = transformers.GPT2LMHeadModel(config)
    examples = [{"input_ids": row_T, "labels": row_T} for step in range(TURN + 1) for row_T in data.pair(step)[0]]
    marks: list[float] = []

    class Clock(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            marks.append(CLOCK[0]())

        def on_train_end(self, *_: Any, **__: Any) -> None:
            marks.append(CLOCK[0]())

    def run() -> list[float]:
        marks.clear()
        arguments = transformers.TrainingArguments(
            output_dir=str(folder), max_steps=TURN, per_device_train_batch_size=ROWS, use_cpu=True, bf16=bf16, report_to=[],
            save_strategy="no", disable_tqdm=True, logging_strategy="no", learning_rate=RATE, weight_decay=DECAY,
            adam_beta1=BETAS[0], adam_beta2=BETAS[1], max_grad_norm=1.0, lr_scheduler_type="cosine",
        )  # fmt: skip
        transformers.Trainer(network, arguments, train_dataset=examples, callbacks=[Clock()]).train()
        return [after - before for before, after in itertools.pairwise(marks)][1:TURN]

    return run


def like(theirs: Any) -> Network:
    """Our network with nanoGPT's weights, read as a checkpoint of GPT-2's without biases."""
    config = ModelConfig.model_validate(SAID)
    network = config.build(0)
    with_biases = config.model_copy(update={"biases": ModelConfig.model_validate({**SAID, "biases": True}).biases})
    shapes = {name: tuple(tensor.shape) for name, tensor in with_biases.build(0).state_dict().items()}
    said = theirs.state_dict()
    linear = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    stored = GPT2.tensors(with_biases)
    found = {entry.name: said[entry.name].T if entry.name.endswith(linear) else said[entry.name] for entry in stored if entry.name in said}
    empty = {entry.name: torch.zeros(entry.shape(shapes)) for entry in stored if entry.name not in said}
    assert all(name.endswith(".bias") for name in empty), f"nanoGPT's network lacks {sorted(empty)}"
    tensors = restore(stored, {**found, **empty}, shapes)
    network.load_state_dict({name: tensors[name] for name in network.state_dict()})
    return network


def check_equal(network: Network, theirs: Any, data: Rows) -> float:
    """The loss of both on one batch, in fp32. Raises AssertionError where they differ."""
    batch = data.batch(0)
    with torch.no_grad():
        ours = mean_loss(network.eval(), [batch])
        peer = float(theirs(batch.inputs.tokens_BT, batch.targets_BT)[1])
    assert abs(ours - peer) < 1e-5, f"the networks are not the same: {ours} and {peer} nats a token"
    return ours


def compiled_works(data: Rows) -> bool:
    try:
        nanogpt_step(data, True, True)(0)
    except Exception as error:  # whatever a compiler may raise: the peer is then measured without it
        print(f"nanoGPT does not compile here: {str(error).splitlines()[0][:100]}", file=sys.stderr)
        return False
    return True


def peers(file: Path, quick: bool) -> None:
    """The peers' process: for each name of a side on stdin, a turn of it, and its seconds on stdout."""
    data = Rows(file)
    with contextlib.redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        turns: dict[str, Callable[[], list[float]]] = {
            "nanogpt": functools.partial(turn, nanogpt_step(data, False, False)),
            "trainer": trainer_turn(data, folder, False),
        }
        if cpu_has_bf16():
            turns["nanogpt bf16"] = functools.partial(turn, nanogpt_step(data, True, False))
            if not quick:
                turns["trainer bf16"] = trainer_turn(data, folder, True)
                if compiled_works(data):
                    compiled_step = nanogpt_step(data, True, True)
                    compiled_step(0)
                    turns["nanogpt bf16 compiled"] = functools.partial(turn, compiled_step)
        print(json.dumps(list(turns)), file=sys.__stdout__, flush=True)
        for line in sys.stdin:
            print(json.dumps(turns[line.strip()]()), file=sys.__stdout__, flush=True)


def throughput(rounds: int, quick: bool, busy: bool, alone: bool) -> None:
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        file = folder / "train.bin"
        np.random.default_rng(0).integers(SIZES["vocab_size"], size=1 << 18).astype(np.uint16).tofile(file)
        network = like(theirs := nanogpt())
        count, loss = sum(parameter.numel() for parameter in network.parameters()), check_equal(network, theirs, Rows(file))
        print(f"the same network: {count:,} parameters, initial loss {loss:.5f} on both sides", flush=True)
        seconds: dict[str, list[float]] = {}
        if not alone:
            said = [sys.executable, __file__, "--serve", str(file), *(["--quick"] if quick else []), *(["--busy"] if busy else [])]
            process = stack.enter_context(subprocess.Popen(said, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            assert process.stdin is not None and process.stdout is not None
            seconds = {name: [] for name in json.loads(process.stdout.readline())}

        def others() -> None:
            for name, found in seconds.items():
                print(name, file=process.stdin, flush=True)
                found.append(statistics.median(json.loads(process.stdout.readline())))

        ours = Turns(file, others)
        trained(network, ours, rounds * TURN + 1, folder / "ours")
        if not alone:
            process.stdin.close()
        modern = Turns(file, lambda: None)
        trained(ModelConfig.model_validate(MODERN).build(0), modern, 2 * TURN + 1, folder / "modern")
    of_turn = [statistics.median(ours.seconds[start + 1 : start + TURN]) for start in range(0, rounds * TURN, TURN)]
    rate = {"ours": [ROWS * T / value for value in of_turn], **{name: [ROWS * T / value for value in seconds[name]] for name in seconds}}
    rate["relu2 rope"] = [ROWS * T / statistics.median(modern.seconds[1:])]
    ratios = {}
    for name, values in rate.items():
        line = f"{name:22s} {statistics.median(values):8,.0f} tokens/s"
        if name in seconds:
            found = [mine / peer for mine, peer in zip(rate["ours"], values, strict=True)]
            ratios[name] = round(statistics.median(found), 3)
            line += f"   ours is {ratios[name]:5.2f} times as fast ({min(found):.2f} to {max(found):.2f})"
        print(line, flush=True)
    asked = {"nanogpt": 3.0, "nanogpt bf16": 1.3, "trainer": 4.0}
    if alone:
        print(json.dumps({"name": "train_throughput", "ours": round(statistics.median(rate["ours"])), "machine": machine()}))
    else:
        precision = "bf16" if cpu_has_bf16() else "fp32"
        summary("train_throughput", rate["ours"], rate["nanogpt"], "tokens/s", precision=precision, asked=asked, ratios=ratios)


def profile() -> None:
    """Where one of our steps spends its time."""
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "train.bin"
        np.random.default_rng(0).integers(SIZES["vocab_size"], size=1 << 18).astype(np.uint16).tofile(file)
        profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True)

        class Profiled(Rows):
            def batch(self, step: int) -> Batch:
                if step == 4:  # by then every page that a step needs is there
                    profiler.start()
                elif step == 5:
                    profiler.stop()
                return super().batch(step)

        trained(ModelConfig.model_validate(SAID).build(0), Profiled(file), 6, Path(temporary) / "ours")
    print(
        profiler.key_averages(group_by_input_shape=True).table(
            sort_by="self_cpu_time_total", row_limit=45, max_name_column_width=40, max_shapes_column_width=60
        )
    )


def text() -> str:
    """Real text that every checkout of this project has: its sources and its pages."""
    root = Path(__file__).parents[1]
    patterns = ("headwater/**/*.py", "docs/**/*.md", "tests/**/*.py", "benchmarks/*.py")
    return "\n".join(file.read_text(encoding="utf-8") for pattern in patterns for file in sorted(root.glob(pattern)))


def curves(rows: int, steps: int, seeds: int) -> None:
    """Final losses by precision and seed, and how far the whole curves lie apart."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    words = text()
    tokenizer.train_from_iterator(words.splitlines(keepends=True), trainers.BpeTrainer(vocab_size=SIZES["vocab_size"], show_progress=False))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tokens = np.array(tokenizer.encode(words).ids, dtype=np.uint16)
        (folder / "train.bin").write_bytes(tokens.tobytes())
        print(f"{len(tokens):,} tokens of text, {rows} rows x {T} a step, {steps} steps", flush=True)
        losses: dict[str, list[np.ndarray]] = {"fp32": [], "bf16": []}
        for seed in range(seeds):
            for precision, found in losses.items():
                at = folder / f"{precision}-{seed}"
                trained(ModelConfig.model_validate(SAID).build(seed), Rows(folder / "train.bin", rows, seed), steps, at, precision, 1)
                lines = [json.loads(line) for line in (at / "metrics.jsonl").read_text().splitlines()]
                found.append(np.array([line["loss"] for line in lines if "loss" in line and "grad_norm" in line]))
                print(f"seed {seed} {precision}: mean loss of the last 50 steps {found[-1][-50:].mean():.4f}", flush=True)
    ends = {precision: np.array([curve[-50:].mean() for curve in found]) for precision, found in losses.items()}
    apart = ends["bf16"] - ends["fp32"]
    whole = max(float(np.abs(b - a).max()) for a, b in zip(losses["fp32"], losses["bf16"], strict=True))
    noise = float(ends["fp32"].std(ddof=1)) if seeds > 1 else math.nan
    print(f"bf16 - fp32 at the end, seed by seed: {', '.join(f'{value:+.4f}' for value in apart)}; fp32's standard deviation over seeds "
          f"{noise:.4f}; furthest apart at any step {whole:.4f}")  # fmt: skip
    figures = {"differences": [round(float(value), 5) for value in apart], "seed_deviation": round(noise, 5), "furthest": round(whole, 5)}
    ends_said = {precision: [round(float(value), 4) for value in values] for precision, values in ends.items()}
    said = {"name": "train_throughput", "curves": ends_said, **figures, "steps": steps, "rows": rows, "seeds": seeds}
    print(json.dumps({**said, "within_noise": bool(np.abs(apart).max() < noise), "machine": machine()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--busy", action="store_true", help="one thread, processor time: for a machine with other work on it")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--profile", action="store_true", help="where one of our steps spends its time")
    parser.add_argument("--curves", action="store_true", help="final losses of fp32 and bf16")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if options.busy:
        torch.set_num_threads(1)
        CLOCK[0] = time.process_time
    if options.serve:
        peers(options.serve, options.quick)
    elif options.profile:
        profile()
    elif options.curves:
        curves(options.rows, options.steps, options.seeds)
    else:
        throughput(options.rounds or (2 if options.quick else 7), options.quick, options.busy, options.alone)


if __name__ == "__main__":
    main()
