"""Forward and backward of one training batch, ours beside transformers: the same weights, the same tokens, the same loss.

    python benchmarks/model_step.py [--quick] [--families gpt2,llama] [--profile gpt2] [--busy]

Each library computes the loss in its own way for training: ours by training/loss.py, theirs by `model(input_ids, labels=labels).loss`.
Per family and precision (fp32, and bf16 autocast where the processor has units for it) a round is one step of each side, in turns;
a ratio is their time by ours, and the median over the rounds is printed. `default` is transformers as it comes, `best` the fastest
of its attention, activation and expert implementations, found by a timed step of each; none is compiled. Losses are asserted equal.
Sizes: 5 to 20 million parameters, 8 rows of 256 tokens (`--quick`: a third of the depth, 4 rows of 128). The last line's `ours` and `peer`
are geometric means of tokens a second over families and precisions, `peer` at its defaults.

Legend: B rows, T positions.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from _peer import summary
from safetensors.torch import save_file

from headwater.core.hardware import cpu_has_bf16
from headwater.model.config import ModelConfig
from headwater.model.families import family_of
from headwater.model.families.family import store
from headwater.model.network import Network
from headwater.tokens.batch import Batch, Inputs
from headwater.tokens.masks import causal, full
from headwater.training.loss import token_loss

VOCABULARY = 8192
LAYER = {"kind": "layer"}
GPT2: dict[str, Any] = {"norm": LAYER, "positions": {"kind": "learned"}, "biases": True, "feed_forward": {"kind": "gelu"}}
LLAMA: dict[str, Any] = {"kv_heads": 2, "feed_forward": {"width": 1024}}
EXPERTS = {"kind": "moe", "experts": 8, "top_k": 2, "expert": {"width": 384}, "balance_loss": 0.0, "router_z_loss": 0.0}
EXACT = {"kind": "gelu", "approximate": "none"}
FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": GPT2,
    "llama": LLAMA,
    "mistral": {**LLAMA, "pattern": [{"kind": "window", "size": 64}]},
    "mixtral": {**LLAMA, "layers": 4, "feed_forward": EXPERTS},
    "qwen3": {**LLAMA, "qk_norm": True, "head_width": 128, "heads": 4},
    "opt": {**GPT2, "feed_forward": {"kind": "relu"}},
    "bloom": {**GPT2, "positions": {"kind": "alibi"}, "embedding": {"norm": True}},
    "neox": {**GPT2, "block": "parallel-two-norms", "positions": {"kind": "rope", "share": 0.25}, "feed_forward": EXACT, "tied": False},
    "gptj": {**GPT2, "block": "parallel", "positions": {"kind": "rope", "share": 0.25, "pairs": "neighbours"}, "tied": False,
             "biases": {"feed_forward": True, "norms": True, "head": True}},
    "bert": {**GPT2, "kind": "encoder", "norm": {**LAYER, "place": "post", "eps": 1e-12}, "feed_forward": EXACT,
             "embedding": {"norm": True, "types": 2}, "head": {"kind": "mlm"}},
    "t5": {"kind": "encoder-decoder", "layers": 3, "norm": {"eps": 1e-6}, "positions": {"kind": "t5"}, "attention_scale": 1.0,
           "feed_forward": {"kind": "relu"}, "head": {"kind": "lm", "scale": "width"}},
}  # fmt: skip


CLOCK: list[Callable[[], float]] = [time.perf_counter]


@dataclass
class Side:
    """One way to take a step: `loss()` is a forward pass, its gradient goes to the network's parameters."""

    loss: Callable[[], torch.Tensor]
    network: torch.nn.Module

    def step(self, precision: str) -> tuple[float, float]:
        """Seconds and the loss."""
        self.network.zero_grad()
        started = CLOCK[0]()
        with torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else contextlib.nullcontext():
            loss = self.loss()
        loss.backward()
        return CLOCK[0]() - started, loss.item()


def config_of(name: str, quick: bool) -> ModelConfig:
    base: dict[str, Any] = {"layers": 6, "width": 384, "heads": 6, "context": 256, "vocab_size": VOCABULARY}
    said = {**base, **FAMILIES[name]}
    return ModelConfig.model_validate({**said, "layers": -(-said["layers"] // 3) if quick else said["layers"]})


def batch_of(config: ModelConfig, quick: bool) -> tuple[Batch, dict[str, torch.Tensor]]:
    """The same batch as each library takes it."""
    rows, length = (4, 128) if quick else (8, 256)
    generator = torch.Generator().manual_seed(0)
    tokens_BT = torch.randint(6, VOCABULARY, (rows, length), generator=generator)
    if config.kind == "encoder-decoder":
        source_BT = torch.randint(6, VOCABULARY, (rows, length), generator=generator)
        targets_BT, short = tokens_BT[:, : length // 2].contiguous(), torch.full((rows, 1), 1)
        inputs_BT = torch.cat((short, targets_BT[:, :-1]), dim=1)
        batch = Batch(Inputs(inputs_BT), targets_BT, torch.ones(targets_BT.shape), source=Inputs(source_BT, mask=full()))
        return batch, {"input_ids": source_BT, "decoder_input_ids": inputs_BT, "labels": targets_BT}
    if config.kind == "encoder":
        hidden_BT = torch.rand(tokens_BT.shape, generator=generator) < 0.15
        inputs_BT = tokens_BT.masked_fill(hidden_BT, 4)
        batch = Batch(Inputs(inputs_BT, mask=full()), tokens_BT, hidden_BT.float())
        return batch, {"input_ids": inputs_BT, "labels": tokens_BT.masked_fill(~hidden_BT, -100)}
    targets_BT, weights_BT = tokens_BT.roll(-1, dims=1), torch.ones(tokens_BT.shape)
    weights_BT[:, -1] = 0  # theirs shifts the labels itself, and has none for the last position
    return Batch(Inputs(tokens_BT, mask=causal()), targets_BT, weights_BT), {"input_ids": tokens_BT, "labels": tokens_BT}


def ours_of(network: Network, batch: Batch) -> Side:
    return Side(lambda: token_loss(network, batch) / batch.weight, network)


def theirs_of(folder: Path, opens: str, inputs: dict[str, torch.Tensor], **settings: Any) -> Side:
    import transformers

    changed = settings.pop("config", {})
    config = transformers.AutoConfig.from_pretrained(folder)
    for key, value in changed.items():
        setattr(config, key, value)
    network = getattr(transformers, opens).from_pretrained(folder, config=config, **settings).train()
    return Side(lambda: network(**inputs, use_cache=False).loss if opens != "BertForMaskedLM" else network(**inputs).loss, network)


def settings_of(name: str, said: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What may be set in transformers for this family, beside what it is by default."""
    changed = {key: "gelu_pytorch_tanh" for key in ("activation_function", "hidden_act") if said.get(key) == "gelu_new"}
    for attention in ("eager", "sdpa"):
        if name == "mixtral":
            for experts in ("eager", "grouped_mm"):  # batched_mm copies an expert for each token: 2 GB here
                yield f"{attention}, experts {experts}", {"attn_implementation": attention, "experts_implementation": experts}
        else:
            yield attention + (", torch's gelu" if changed else ""), {"attn_implementation": attention, "config": changed}


def saved(folder: Path, network: Network) -> tuple[str, dict[str, Any]]:
    """The checkpoint as transformers opens it; its class and config."""
    family = family_of(network.config)
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 0, "decoder_start_token_id": 1}
    said = {**family.config(network.config), **ids}
    (folder / "config.json").write_text(json.dumps(said))
    save_file(store(family.tensors(network.config), network.state_dict()), folder / "model.safetensors", metadata={"format": "pt"})
    return said["architectures"][0], said


def best_of(folder: Path, name: str, opens: str, said: dict[str, Any], inputs: dict[str, torch.Tensor], precision: str) -> tuple[str, Side]:
    """The fastest settings by the better of two steps each."""
    found: list[tuple[float, str, Side]] = []
    for setting, options in settings_of(name, said):
        try:
            side = theirs_of(folder, opens, inputs, **options)
            found.append((min(side.step(precision)[0] for _ in range(2)), setting, side))
        except (ValueError, RuntimeError, NotImplementedError, ImportError) as error:
            print(f"  {name} {precision}: not with {setting} ({str(error).splitlines()[0][:80]})", file=sys.stderr)
    return min(found, key=lambda entry: entry[0])[1:]


def compare(name: str, precision: str, quick: bool, rounds: int) -> dict[str, list[float]]:
    """`{side: seconds of each round}`."""
    config = config_of(name, quick)
    network = config.build(0).train()
    batch, inputs = batch_of(config, quick)
    with tempfile.TemporaryDirectory() as temporary:
        opens, said = saved(Path(temporary), network)
        setting, best = best_of(Path(temporary), name, opens, said, inputs, precision)
        sides = {"ours": ours_of(network, batch), "default": theirs_of(Path(temporary), opens, inputs), "best": best}
    losses = {side: at.step(precision)[1] for side, at in sides.items()}  # warm
    tolerance = 2e-2 if precision == "bf16" else 1e-4
    assert max(abs(losses["ours"] - loss) for loss in losses.values()) <= tolerance, f"{name} {precision}: losses differ: {losses}"
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(rounds):
        order = list(sides) if number % 2 else list(sides)[::-1]
        for side in order:
            seconds[side].append(sides[side].step(precision)[0])
    by = {side: statistics.median(theirs / ours for theirs, ours in zip(seconds[side], seconds["ours"], strict=True)) for side in seconds}
    tokens = batch.size
    rate = tokens / statistics.median(seconds["ours"])
    size = config.parameter_count() / 1e6
    print(f"{name:8s} {precision}  {size:5.1f} M  ours {rate:8,.0f} tokens/s  by default {by['default']:5.2f}  by best {by['best']:5.2f}  "
          f"({setting}; loss {losses['ours']:.4f})", flush=True)  # fmt: skip
    return {side: [tokens / value for value in values] for side, values in seconds.items()}


def profile(name: str, precision: str, quick: bool) -> None:
    """Where our step spends its time."""
    config = config_of(name, quick)
    network = config.build(0).train()
    side = ours_of(network, batch_of(config, quick)[0])
    side.step(precision)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        side.step(precision)
    print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=60))


def mean(values: list[float]) -> float:
    """Geometric."""
    return math.exp(statistics.fmean(math.log(value) for value in values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--precisions", default="fp32,bf16" if cpu_has_bf16() else "fp32")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--profile", metavar="FAMILY")
    parser.add_argument("--busy", action="store_true", help="one thread, processor time: for a machine with other work on it")
    options = parser.parse_args()
    if options.busy:
        torch.set_num_threads(1)
        CLOCK[0] = time.process_time
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    precisions, rounds = options.precisions.split(","), options.rounds or (3 if options.quick else 9)
    if options.profile:
        for precision in precisions:
            profile(options.profile, precision, options.quick)
        return
    import transformers

    transformers.utils.logging.disable_progress_bar()
    rates = {f"{name} {precision}": compare(name, precision, options.quick, rounds)
             for name in options.families.split(",") for precision in precisions}  # fmt: skip
    by_round = {
        side: [mean([rate[side][number] for rate in rates.values()]) for number in range(rounds)] for side in ("ours", "default", "best")
    }
    ratios = {
        side: {
            key: round(statistics.median(ours / theirs for ours, theirs in zip(rate["ours"], rate[side], strict=True)), 3)
            for key, rate in rates.items()
        }
        for side in ("default", "best")
    }
    for side, found in ratios.items():
        slowest = min(found, key=found.__getitem__)
        print(
            f"by {side}: geometric mean {mean(list(found.values())):.3f} (asked: 1.0), least {found[slowest]:.3f}, {slowest} (asked: 0.9)"
        )
    best = round(mean(list(ratios["best"].values())), 3)
    least = {side: min(found.values()) for side, found in ratios.items()}
    summary("model_step", by_round["ours"], by_round["default"], "tokens/s", best=best, least=least, ratios=ratios)


if __name__ == "__main__":
    main()
