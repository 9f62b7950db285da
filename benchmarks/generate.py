"""Greedy generation with a cache, ours beside transformers: the same weights, the same prompts, the same tokens.

    python benchmarks/generate.py [--quick] [--busy] [--compiled]

GPT-2-like models with GPT-2's 12 layers, 12 and 25 million parameters (`--quick`: the first alone), weights drawn at random, prompts of
16 tokens, 240 more (`--quick`: 112). A round is one call of generate of each side, in turns, for 1 row and for 16; a rate is tokens by
seconds, the whole call with the reading of the prompt. `default` is transformers as it comes; in fp32 its tokens are asserted equal to
ours. `best` is the fastest of its ways, beside our bf16 in bf16 or fp32 (dynamic or static cache; with --compiled its forward pass compiled
too, after a warm-up that is not counted). In bf16 the sides' tokens drift apart: how often each would go on as fp32 did is said, and ours
may be at most two points behind. `--busy` counts processor time of one thread, for a machine that others use.

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

import numpy as np
import torch
import transformers
from _peer import summary

from headwater.core.hardware import cpu_has_bf16
from headwater.generation.generate import generate
from headwater.generation.reading import Reader
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
    models = {"fp32": peer(config(width).build(0))}
    sides = {"fp32 ours": ours(network, count)}
    if cpu_has_bf16():
        models["bf16"] = peer(config(width).build(0)).bfloat16()
        sides["bf16 ours"] = in_bf16(sides["fp32 ours"])
    found: dict[str, Way] = {}
    chosen = {}
    for precision, model in models.items():
        their_ways = {f"{precision} {name}": way for name, way in ways(model, count, compiled).items()}
        found |= their_ways  # the best that it can do beside our bf16 may be fp32
        chosen[precision] = fastest(found, prompts_BT)
        sides |= {f"{precision} default": their_ways[f"{precision} dynamic"], f"{precision} best": found[chosen[precision]]}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for way in sides.values():
        way(prompts_BT)
    for _ in range(rounds):
        said = {}
        for name, way in sides.items():
            rate, said[name] = timed(way, prompts_BT)
            rates[name].append(rate)
        assert said["fp32 ours"] == said["fp32 default"], "the two sides say different things"
    limit = rows * memory_rate(network_size(width))
    agree = agreement(network, models["bf16"], prompts_BT, said["fp32 ours"]) if "bf16" in models else {}
    return {"width": width, "rows": rows, "best": chosen, "rates": rates, "limit": limit, "agree": agree}


def in_bf16(way: Way) -> Way:
    """What `headwater generate --precision bf16` does."""

    def run(prompts_BT: torch.Tensor) -> list[list[int]]:
        with torch.autocast("cpu", torch.bfloat16):
            return way(prompts_BT)

    return run


def agreement(network: Network, model: Any, prompts_BT: torch.Tensor, texts: list[list[int]]) -> dict[str, float]:
    """How often each side in bf16 would go on as fp32 did, given fp32's text so far. Asserts that ours is at most 2 points behind."""
    texts_BT = torch.tensor(texts)
    rows, count = texts_BT.shape
    with torch.autocast("cpu", torch.bfloat16):
        reader = Reader(network, rows, PROMPT + count, steps=count)
        mine = [reader.read(prompts_BT.tolist()).argmax(-1)]
        mine += [reader.next(column).argmax(-1) for column in texts_BT.T[:-1].tolist()]
    with torch.inference_mode():
        logits_BTV = model(torch.cat((prompts_BT, texts_BT), dim=1)).logits[:, PROMPT - 1 : -1]
    same = {"ours": float((torch.from_numpy(np.stack(mine, 1)) == texts_BT).float().mean())}
    same["theirs"] = float((logits_BTV.argmax(-1) == texts_BT).float().mean())
    assert same["ours"] >= same["theirs"] - 0.02, f"in bf16 ours chooses otherwise more often: {same}"
    return same


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
    if found["agree"]:
        print("  in bf16 the next token is fp32's: " + ", ".join(f"{side} {rate:.1%}" for side, rate in found["agree"].items()), flush=True)


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
    agree = {name: found["agree"] for name, found in zip(ratios, cases, strict=True)}
    summary("generate", least["rates"]["fp32 ours"], least["rates"]["fp32 default"], "tokens/s", ratios=ratios, agree=agree)


if __name__ == "__main__":
    main()
