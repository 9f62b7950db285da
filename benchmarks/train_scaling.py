"""What does a training step cost as networks and contexts grow? Tokens a second and peak memory, as a table and a plot.

    python benchmarks/train_scaling.py [--quick] [--plot docs/train_scaling.png] [--sizes 1,5,20,100] [--contexts 128,1024]

Llama-like decoders of 1, 5, 20 and 100 million parameters (4,096 tokens; widths and layers in SHAPES) at contexts of 128 to 4,096. Every
step reads 4,096 tokens (of a short context more rows), at the precision that a recipe takes by default, and is all that a step is:
forward, loss, backward, clipping, Muon and AdamW. Each point is a process of its own, so that its peak memory is its own: the most that
it held at once after the network was built, weights and moments included, Python and torch (`resting`) as well. A point for which the
memory that is free does not suffice ends alone, and its line says so.

MFU is FLOPs that the model needs (PaLM, appendix B) over those of the machine's measured matrix peak; `optimizer` is the share of a
step that clipping and the update take. `ours` of the last line is tokens a second of the smallest network at the shortest context,
`peer` those of the largest at the longest: there is no peer here, their ratio is what size costs.

Legend: B rows, T positions.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _peer import environment, machine

if TYPE_CHECKING:  # the plot is drawn by an environment that has matplotlib and nothing of ours
    from headwater.model.config import ModelConfig

SHAPES: dict[int, dict[str, int]] = {
    1: {"layers": 2, "width": 128, "heads": 2},
    5: {"layers": 5, "width": 256, "heads": 4},
    20: {"layers": 10, "width": 384, "heads": 6},
    100: {"layers": 14, "width": 768, "heads": 12},
}
CONTEXTS = (128, 256, 512, 1024, 2048, 4096)
A_STEP = 4096  # tokens
SECONDS, STEPS = 4.0, (2, 8)  # timed for so long, but for no fewer and no more steps


def config(size: int, context: int) -> ModelConfig:
    from headwater.model.config import ModelConfig

    return ModelConfig.model_validate({**SHAPES[size], "context": context, "vocab_size": 4096})


def measure(size: int, context: int, free: int) -> dict[str, Any]:
    """One point, in this process, which may have so many bytes of its own."""
    import torch

    from headwater.core.hardware import peak_memory_bytes, reset_peak_memory, resident_bytes
    from headwater.core.peak import peak
    from headwater.model.describe import describe
    from headwater.tokens.batch import Batch, Inputs
    from headwater.training.clip import clip
    from headwater.training.loss import token_loss
    from headwater.training.optimizer import Optimizers
    from headwater.training.optimizer_config import Muon
    from headwater.training.precision import autocast, resolve

    resource.setrlimit(resource.RLIMIT_DATA, (free, free))
    shape, precision = config(size, context), resolve("auto")
    best = peak(precision)
    resting = resident_bytes()
    reset_peak_memory()
    network = shape.build(0).train()
    optimizers = Optimizers(Muon(), network)
    tokens_BT = torch.randint(4096, (A_STEP // context, context + 1), generator=torch.Generator().manual_seed(0))
    batch = Batch(Inputs(tokens_BT[:, :-1].contiguous()), tokens_BT[:, 1:].contiguous(), torch.ones(len(tokens_BT), context))

    def step() -> tuple[float, float]:
        """Seconds of all, and of the optimizer's part."""
        started = time.perf_counter()
        optimizers.zero_grad()
        with autocast(precision, torch.device("cpu")):
            loss = token_loss(network, batch) / batch.weight
        loss.backward()  # type: ignore[no-untyped-call]
        between = time.perf_counter()
        clip(network.parameters(), 1.0, "norm")
        optimizers.step(0.01)
        ended = time.perf_counter()
        return ended - started, ended - between

    step()
    times = [step() for _ in range(STEPS[0])]
    while sum(seconds for seconds, _ in times) < SECONDS and len(times) < STEPS[1]:
        times.append(step())
    seconds = statistics.median(whole for whole, _ in times)
    rate = A_STEP / seconds
    found = describe(shape)
    return {
        "size": size, "parameters": found.parameters, "context": context, "tokens_a_second": round(rate, 1), "steps": len(times),
        "peak_gb": round(peak_memory_bytes() / 1e9, 3), "resting_gb": round((resting or 0) / 1e9, 3),
        "mfu": round(rate * found.training_flops / best, 4) if best else None,
        "optimizer": round(statistics.median(part / whole for whole, part in times), 3),
        "attention": round(found.attention_flops / found.forward_flops, 3), "precision": precision,
    }  # fmt: skip


def free_bytes() -> int:
    """What may be taken without anything being swapped or killed: nine tenths of what the system calls available."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) * 1024 * 9 // 10


def point(size: int, context: int) -> dict[str, Any]:
    """One point, in a process of its own."""
    command = [sys.executable, __file__, "--point", f"{size},{context},{free_bytes()}"]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode == 0:
        found: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
        return found
    if child.returncode > 0 and "alloc" not in child.stderr.lower() and "MemoryError" not in child.stderr:
        raise SystemExit(child.stderr)
    return {"size": size, "context": context, "fits": False}


def told(row: dict[str, Any]) -> dict[str, Any]:
    start = f"{row['size']:4d} M  context {row['context']:5,d}"
    if "peak_gb" not in row:
        print(f"{start}  does not fit into the memory that is free", flush=True)
        return row
    mfu = "   –  " if row["mfu"] is None else f"{row['mfu']:6.1%}"
    shares = f"MFU {mfu}  optimizer {row['optimizer']:5.1%} of the time  attention {row['attention']:5.1%} of the FLOPs"
    print(f"{start}  {row['tokens_a_second']:9,.0f} tokens/s  {row['peak_gb']:6.2f} GB  {shares}", flush=True)
    return row


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4))
    for size in sorted({row["size"] for row in rows}):
        own = [row for row in rows if row["size"] == size and "peak_gb" in row]
        for axis, key in zip(axes, ("tokens_a_second", "peak_gb", "mfu"), strict=True):
            axis.plot([row["context"] for row in own], [row[key] or float("nan") for row in own], "o-", label=f"{size} M")
    for axis, title in zip(axes, ("tokens a second", "peak memory, GB", "share of the measured matrix peak (MFU)"), strict=True):
        axis.set_xscale("log", base=2)
        axis.set_xticks(sorted({row["context"] for row in rows}))
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.set_xlabel("context, tokens")
        axis.set_title(title)
        axis.grid(alpha=0.3)
    for axis, ticks in ((axes[0], (300, 1000, 3000, 10_000, 30_000)), (axes[1], (0.5, 1, 2, 4))):
        axis.set_yscale("log")
        axis.set_yticks(ticks)
        axis.yaxis.set_major_formatter("{x:,g}")
        axis.yaxis.set_minor_formatter("")
    axes[2].set_ylim(0)
    axes[2].legend(title="parameters", ncols=2, loc="lower right")
    figure.suptitle(f"One training step of {A_STEP:,} tokens · {machine()}", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1 and 5 million parameters at the ends of the contexts")
    parser.add_argument("--sizes", help="millions of parameters, of those in SHAPES")
    parser.add_argument("--contexts")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--rows", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--point", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.point:
        print(json.dumps(measure(*map(int, asked.point.split(",")))))
        return
    if asked.rows:
        draw(asked.rows, asked.plot)
        return
    sizes = [int(size) for size in asked.sizes.split(",")] if asked.sizes else [1, 5] if asked.quick else list(SHAPES)
    contexts = [int(length) for length in asked.contexts.split(",")] if asked.contexts else [128, 4096] if asked.quick else list(CONTEXTS)
    rows = [told(point(size, context)) for size in sizes for context in contexts]
    if asked.plot:
        command = [environment("matplotlib==3.10.0"), __file__, "--plot", asked.plot, "--rows", json.dumps(rows)]
        subprocess.run(command, check=True)
    fit = [row for row in rows if "peak_gb" in row]
    first, last = fit[0]["tokens_a_second"], fit[-1]["tokens_a_second"]
    line = {"name": "train_scaling", "ours": first, "peer": last, "unit": "tokens/s, least and most work a token"}
    line |= {"ratio": round(first / last, 2), "seeds": 1, "spread": [round(first / last, 2)] * 2, "rows": rows, "machine": machine()}
    print(json.dumps(line))


if __name__ == "__main__":
    main()
