"""What would a recipe's network be? Its parts, its cost and its picture, before anything is spent."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from headwater.core.errors import HeadwaterError
from headwater.model.describe import Description
from headwater.model.describe import describe as measure
from headwater.recipe.recipe import Recipe


def describe(recipe: Recipe, as_json: bool) -> None:
    if recipe.pretrain is None:
        raise HeadwaterError("has no pretrain block, so no network", where=recipe.name, mend="name a recipe that trains one")
    model = recipe.pretrain.model
    if model.vocab_size is None:
        size = getattr(recipe.tokenizer, "vocab_size", None)
        if size is None:
            raise HeadwaterError("does not say how many tokens its vocabulary has", where=f"{recipe.name}: pretrain.model",
                                 mend="say pretrain.model.vocab_size=N")  # fmt: skip
        model = model.with_vocabulary(size)
    found = measure(model)
    if as_json:
        print(json.dumps(_figures(found)))
        return
    console = Console()
    table = Table(title=f"{recipe.name}: a {model.kind} of {quantity(found.parameters)} parameters", title_justify="left")
    table.add_column("part")
    table.add_column("parameters", justify="right")
    table.add_column("share", justify="right")
    for part, count in found.parts.items():
        table.add_row(part, f"{count:,}", f"{count / found.parameters:.1%}")
    table.add_row("all", f"{found.parameters:,}", "100%", style="bold")
    if found.active != found.parameters:
        table.add_row("active for one token", f"{found.active:,}", f"{found.active / found.parameters:.1%}")
    console.print(table)
    forward = f"{quantity(found.forward_flops)}, of which attention {found.attention_flops / found.forward_flops:.1%}"
    for name, value in (
        (f"FLOPs a token, forward (rows of {model.context:,})", forward),
        ("FLOPs a token, training", quantity(found.training_flops)),
        ("KV cache a token, bf16", f"{found.cache_bytes:,} bytes"),
        ("weights, bf16", size_of(found.weight_bytes)),
        ("training state, fp32 with AdamW, without activations", size_of(found.training_bytes)),
    ):  # fmt: skip
        console.print(f"{name:<54}{value}", highlight=False, soft_wrap=True)
    console.print()
    for line in found.picture:
        console.print(f"  {line}", highlight=False, markup=False)


def _figures(found: Description) -> dict[str, object]:
    return {
        "parameters": found.parameters,
        "active": found.active,
        "parts": found.parts,
        "forward_flops": found.forward_flops,
        "attention_flops": found.attention_flops,
        "training_flops": found.training_flops,
        "cache_bytes": found.cache_bytes,
        "weight_bytes": found.weight_bytes,
        "training_bytes": found.training_bytes,
    }


def quantity(value: float) -> str:
    """12.4 M, 540 G …"""
    for power, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= power:
            return f"{value / power:.3g} {letter}"
    return f"{value:,.0f}"


def size_of(count: int) -> str:
    for power, letter in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB")):
        if count >= power:
            return f"{count / power:,.1f} {letter}"
    return f"{count:,} bytes"
