"""Greedy generation with a cache, ours beside transformers: the same weights, the same prompts, the same tokens.

    python benchmarks/generate.py [--quick] [--busy] [--compiled]

GPT-2-like models with GPT-2's 12 layers, 12 and 25 million parameters (`--quick`: the first alone), weights drawn at random, prompts of
16 tokens, 240 more (`--quick`: 112). A round is one call of generate of each side, in turns, for 1 row and for 16; a rate is tokens by
seconds, the whole call with the reading of the prompt. `default` is transformers as it comes; in fp32 its tokens are asserted equal to
ours. `best` is the fastest of its ways in the same precision (dynamic or static cache; with --compiled its forward pass compiled too,
after a warm-up that is not counted). `--busy` counts processor time of one thread, for a machine that others use.

Below the rates stands the limit: every step reads all weights once, so that one row cannot go faster than memory does; measured here by
summing a tensor as large as the weights. The last line's `ours` and `peer` are those of the model and batch with the least ratio, fp32.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers
from _peer import summary

from headwater.core.hardware import cpu_has_bf16
from headwater.generation.generate import generate
from headwater.generation.sampling import Sampling
from headwater.model.config import ModelConfig
from headwater.model.families import family_of
from headwater.model.families.family import store
from headwater.model.network import Network

PROMPT, VOCABULARY = 16, 8192
CLOCK: list[Callable[[], float]] = [time.perf_counter]
Way = Callable[[torch.Tensor], list[list[int]]]


def config(width: int) -> ModelConfig:
    return ModelConfig.model_validate(
        {"layers": 12, "width": width, "heads": width // 64, "context": 256, "vocab_size": VOCABULARY, "biases": True,
         "norm": {"kind": "layer"}, "positions": {"kind": "learned"}, "feed_forward": {"kind": "gelu"}, "init": {"std": 0.1}}
    )  # fmt: skip


def ours(network: Network, count: int) -> Way:
    sampling = Sampling(temperature=0, max_tokens=count)
    return lambda prompts_BT: [row.tokens for row in generate(network, prompts_BT.tolist(), sampling, stop=set(), seed=0)]


def theirs(model: Any, count: int, **options: Any) -> Way:
    def run(prompts_BT: torch.Tensor) -> list[list[int]]:
        with torch.inference_mode():
            rows = model.generate(
                prompts_BT,
                attention_mask=torch.ones_like(prompts_BT),
                do_sample=False,
                max_new_tokens=count,
                min_new_tokens=count,
                **options,
            )
        return [row[PROMPT:].tolist() for row in rows]

    return run


def peer(network: Network) -> Any:
    """transformers' network with our weights."""
    family = family_of(network.config)
    said = {key: value for key, value in family.config(network.config).items() if key != "architectures"}
    their_config = transformers.AutoConfig.for_model(**said, bos_token_id=None, eos_token_id=None, pad_token_id=0)
    model = getattr(transformers, family.opens)(their_config).eval()
    report = model.load_state_dict(store(family.tensors(network.config), network.state_dict()), strict=False)
    assert not report.unexpected_keys and set(report.missing_keys) <= {"lm_head.weight"}
    return model


def timed(way: Way, prompts_BT: torch.Tensor) -> tuple[float, list[list[int]]]:
    """Tokens a second, and the tokens."""
    start = CLOCK[0]()
    rows = way(prompts_BT)
    return sum(map(len, rows)) / (CLOCK[0]() - start), rows


def fastest(ways: dict[str, Way], prompts_BT: torch.Tensor) -> str:
    """By a timed call of each, after one that warms it up."""
    rates = {}
    for name, way in ways.items():
        way(prompts_BT)
        rates[name] = timed(way, prompts_BT)[0]
    return max(rates, key=lambda name: rates[name])


def ways(model: Any, count: int, compiled: bool) -> dict[str, Way]:
    found = {"dynamic": theirs(model, count), "static": theirs(model, count, cache_implementation="static")}
    if compiled:
        other = type(model)(model.config).eval().to(model.dtype)
        other.load_state_dict(model.state_dict())
        other.forward = torch.compile(other.forward)
        found["static, compiled"] = theirs(other, count, cache_implementation="static")
    return found


def memory_rate(count: int) -> float:
    """How often so many numbers of 4 bytes are read in a second."""
    numbers = torch.ones(count)
    seconds = []
    for _ in range(20):
        start = CLOCK[0]()
        numbers.sum()
        seconds.append(CLOCK[0]() - start)
    return 1 / min(seconds)


def compare(width: int, rows: int, count: int, rounds: int, compiled: bool) -> dict[str, Any]:
    """Rates of one model and batch, by precision and side; fp32 tokens of both sides are asserted equal."""
    network = config(width).build(0).eval()
    prompts_BT = torch.randint(0, VOCABULARY, (rows, PROMPT), generator=torch.Generator().manual_seed(rows))
    rates: dict[str, list[float]] = {}
    chosen = {}
    for precision in ["fp32", "bf16"] if cpu_has_bf16() else ["fp32"]:
        network = network.to(torch.float32 if precision == "fp32" else torch.bfloat16)
        model = peer(config(width).build(0)).to(network.dtype)
        their_ways = ways(model, count, compiled)
        chosen[precision] = fastest(their_ways, prompts_BT)
        sides = {"ours": ours(network, count), "default": their_ways["dynamic"], "best": their_ways[chosen[precision]]}
        sides["ours"](prompts_BT)
        for _ in range(rounds):
            said = {}
            for side, way in sides.items():
                rate, said[side] = timed(way, prompts_BT)
                rates.setdefault(f"{precision} {side}", []).append(rate)
            if precision == "fp32":
                assert said["ours"] == said["default"], "the two sides say different things"
    limit = rows * memory_rate(network_size(width))
    return {"width": width, "rows": rows, "best": chosen, "rates": rates, "limit": limit}


def network_size(width: int) -> int:
    return config(width).parameter_count()


def shown(found: dict[str, Any]) -> None:
    size = network_size(found["width"]) / 1e6
    print(f"{size:.0f} M parameters, {found['rows']} rows (theirs at best: {found['best']})")
    for name, rates in found["rates"].items():
        precision, side = name.split()
        ratio = statistics.median(a / b for a, b in zip(found["rates"][f"{precision} ours"], rates, strict=True))
        print(f"  {name:14} {statistics.median(rates):9.1f} tokens/s" + ("" if side == "ours" else f"   ours is {ratio:.2f} times as fast"))
    print(f"  memory's limit {found['limit']:9.1f} tokens/s in fp32", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--compiled", action="store_true")
    asked = parser.parse_args()
    transformers.logging.set_verbosity_error()
    if asked.busy:
        CLOCK[0] = time.process_time
        torch.set_num_threads(1)
    else:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    count, rounds = (112, 3) if asked.quick else (240, 7)
    cases = []
    with contextlib.redirect_stdout(sys.stderr):
        for width in [256] if asked.quick else [256, 384]:
            for rows in (1, 16):
                cases.append(compare(width, rows, count, rounds, asked.compiled))
                shown(cases[-1])

    def ratio(found: dict[str, Any], name: str) -> float:
        precision = name.split()[0]
        return statistics.median(a / b for a, b in zip(found["rates"][f"{precision} ours"], found["rates"][name], strict=True))

    least = min(cases, key=lambda found: ratio(found, "fp32 default"))
    ratios = {
        f"{network_size(found['width']) / 1e6:.0f} M, {found['rows']} rows": {
            name: round(ratio(found, name), 3) for name in found["rates"] if not name.endswith("ours")
        }
        for found in cases
    }
    summary("generate", least["rates"]["fp32 ours"], least["rates"]["fp32 default"], "tokens/s", ratios=ratios)


if __name__ == "__main__":
    main()
