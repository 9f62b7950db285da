"""What does a network cost before it exists? Parameters by part, arithmetic, memory, and a picture of its block.

In: a ModelConfig with its vocabulary. Out: a Description: numbers, counted on the network made without memory, and lines of text.

FLOPs are 2 for each multiply-add, of a whole row of `context` tokens divided by its tokens; training is 3 times the forward pass
(Kaplan et al. 2020, section 2.1). Attention's own share is counted as its mask allows: the mean number of keys a query sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from headwater.model.config import ModelConfig
from headwater.model.parts import MoE

PARTS = {  # the first whose words all stand in a parameter's name
    "embedding": ("embedding.tokens",),
    "positions": ("embedding.positions", "embedding.blocks", "embedding.types", "embedding.rise", ".bias.table", ".relative."),
    "cross-attention": (".cross.",),
    "attention": (".attention.",),
    "shared experts": (".feed_forward.shared.",),
    "router": (".feed_forward.router.",),
    "feed-forward": (".feed_forward.",),
    "norms": ("norm.",),
    "head": ("output.",),
    "further heads": ("ahead.",),
}
# Tables are read at a row, and biases are added: neither is multiplied.
LOOKED_UP = (
    "embedding.tokens.weight",
    "embedding.positions.weight",
    "embedding.blocks.weight",
    "embedding.types.weight",
    "table.weight",
    "_bias",
)
ADAM_BYTES = 16  # a parameter's fp32 weight, gradient and two moments


@dataclass(frozen=True)
class Description:
    """`parts` are parameters by part; `active` those that one token's forward pass multiplies; bytes are per token or whole."""

    parts: dict[str, int]
    active: int
    forward_flops: float
    attention_flops: float
    cache_bytes: int
    picture: tuple[str, ...]

    @property
    def parameters(self) -> int:
        return sum(self.parts.values())

    @property
    def training_flops(self) -> float:
        return 3 * self.forward_flops

    @property
    def training_bytes(self) -> int:
        """Weights, gradients and AdamW's moments in fp32, without activations."""
        return ADAM_BYTES * self.parameters

    @property
    def weight_bytes(self) -> int:
        """Weights alone, in bf16."""
        return 2 * self.parameters


def describe(config: ModelConfig) -> Description:
    from headwater.model.init import shapes

    found = shapes(config)
    parts: dict[str, int] = {}
    for name, shape in found.items():
        part = part_of(name, config)
        parts[part] = parts.get(part, 0) + math.prod(shape)
    order = [*PARTS, "experts"]
    parts = dict(sorted(parts.items(), key=lambda item: order.index(item[0])))
    idle = _idle(config, found)
    multiplied = sum(math.prod(shape) for name, shape in found.items() if len(shape) >= 2 and not name.endswith(LOOKED_UP))
    if config.tied and config.head.kind in ("lm", "mlm"):
        multiplied += config.vocabulary * config.table_width
    attention = _attention_flops(config)
    cached = (
        2 * config.layers * config.key_heads * config.head_features
        if config.mixer.kind == "attention"
        else 2 * config.layers * config.width
    )
    return Description(
        parts=parts,
        active=sum(parts.values()) - idle,
        forward_flops=2.0 * (multiplied - idle) + attention,
        attention_flops=attention,
        cache_bytes=2 * cached,  # bf16
        picture=picture(config),
    )


def part_of(name: str, config: ModelConfig) -> str:
    """Which part of the network a parameter belongs to."""
    if name.startswith("ahead."):
        return "further heads"
    found = next(part for part, words in PARTS.items() if any(word in f".{name}" if word[0] == "." else word in name for word in words))
    layer = _layer(name)
    experts = isinstance(config.feed_forward, MoE) and layer is not None and config.feed_forward.in_layer(layer)
    return "experts" if found == "feed-forward" and experts and "norm" not in name else found


def _layer(name: str) -> int | None:
    words = name.split(".")
    return int(words[words.index("blocks") + 1]) if "blocks" in words[:-1] and words[words.index("blocks") + 1].isdecimal() else None


def _idle(config: ModelConfig, shapes: dict[str, tuple[int, ...]]) -> int:
    """Parameters of experts that a token is not sent to."""
    part = config.feed_forward
    if not isinstance(part, MoE):
        return 0
    held = sum(math.prod(shape) for name, shape in shapes.items() if part_of(name, config) == "experts")
    return held - held * part.top_k // part.experts


def _attention_flops(config: ModelConfig) -> float:
    """q kᵀ and the weighted sum of values: 4 · heads · head width for each key that a query sees."""
    if config.mixer.kind != "attention":
        return 0.0
    each = 4.0 * config.heads * config.head_features
    seen = sum(_keys_seen(config, layer) for layer in range(config.layers))
    if config.kind == "encoder-decoder":
        seen += (config.encoder_depth + config.layers) * config.context  # the encoder's own, and cross-attention
    return each * seen


def _keys_seen(config: ModelConfig, layer: int) -> float:
    """The mean over a row of the keys that a query of this layer sees."""
    length, part = config.context, config.pattern[layer % len(config.pattern)]
    if config.kind == "encoder":
        return float(length) if part.kind == "all" else min(length, 2 * part.size - 1)
    near = length if part.kind == "all" else part.size
    mean = sum(min(place + 1, near) for place in range(length)) / length
    if part.kind == "strided":
        mean += sum(max(place + 1 - near, 0) // part.stride for place in range(length)) / length
    return mean


def picture(config: ModelConfig) -> tuple[str, ...]:
    """The network as lines of text, tokens at the bottom: the stream runs up on the left, branches leave it and come back above."""
    norm = {"rms": "RMSNorm", "layer": "LayerNorm", "batch": "BatchNorm", "none": ""}[config.norm.kind]
    rising = [f"tokens → embedding of width {config.width}{_places(config)}"]
    if config.kind == "encoder-decoder":
        rising += [*_frame(f"{config.encoder_depth} × encoder", _branches(config, norm, [_gather(config), _feed(config)])), ""]
    parts = [_gather(config), "cross-attention" if config.kind == "encoder-decoder" else "", _feed(config)]
    inside = _parallel(config, norm) if config.block.startswith("parallel") else _branches(config, norm, parts)
    rising += _frame(f"{config.layers} × {'decoder' if config.kind == 'encoder-decoder' else 'block'}", inside)
    if config.norm.ends and norm:
        rising.append(norm)
    rising.append("head: " + config.head.kind + (", tied to the embedding" if config.tied and config.head.kind in ("lm", "mlm") else ""))
    return tuple(reversed(rising))


def _frame(title: str, inside: list[str]) -> list[str]:
    """Lines of a block from the bottom upwards, in a box."""
    width = max(len(line) for line in inside)
    return [f"╰─ {title} {'─' * (width - len(title) - 1)}╯", *(f"│ {line:<{width}} │" for line in inside), f"╭{'─' * (width + 2)}╮"]


def _branches(config: ModelConfig, norm: str, parts: list[str]) -> list[str]:
    """Branches one above the other, each with what stands before, in and after it."""
    inside, outside = config.norm.place in ("pre", "sandwich") and norm, config.norm.place == "sandwich" and norm
    texts = [f"{norm + ' ── ' if inside else ''}{part}{' ── ' + norm if outside else ''}" for part in parts if part]
    width = max(len(text) for text in texts)
    lines = []
    for text in texts:
        lines.append(
            f"├─ {text}{' ─' if len(text) < width else ''}{'─' * max(width - len(text) - 2, 0)}{'─' if len(text) < width else ' '}╯"
        )
        lines.append(
            f"{'⊕' if config.block != 'stacked' else '●'} ◂{'─' * (width + 1)}╮" + ("" if config.block != "stacked" else "  no residual")
        )
        if config.norm.place in ("post", "deep") and norm:
            lines.append(norm + (f" of {config.deep_alpha():.3g} · stream + branch" if config.norm.place == "deep" else ""))
    return lines


def _parallel(config: ModelConfig, norm: str) -> list[str]:
    """Two branches that leave together and come back together."""
    shared = config.block == "parallel"
    low = f"├─ {norm} ─┬─ {_gather(config)}" if shared else f"├─ {norm} ── {_gather(config)}"
    high = f"│  {' ' * len(norm)}  ╰─ {_feed(config)}" if shared else f"├─ {norm} ── {_feed(config)}"
    width = max(len(low), len(high))
    return [f"{low:<{width}} ╯", f"{high:<{width}} ┤", f"⊕ ◂{'─' * (width - 2)}╮"]


def _gather(config: ModelConfig) -> str:
    if config.mixer.kind != "attention":
        return "LSTM" if config.mixer.kind == "lstm" else f"gated convolution over {config.mixer.kernel}"
    kind = "multi-query" if config.key_heads == 1 < config.heads else "multi-head" if config.key_heads == config.heads else "grouped-query"
    windows = "".join(f", {part.kind} {part.size}" for part in config.pattern if part.kind != "all")
    return f"{kind} attention ({config.heads} heads of {config.head_features}{windows})"


def _feed(config: ModelConfig) -> str:
    part = config.feed_forward
    if part.kind == "none":
        return ""
    if isinstance(part, MoE):
        shared = f" + {part.shared} shared" if part.shared else ""
        return f"{part.top_k} of {part.experts}{shared} experts ({part.expert.kind} {part.expert.width_in(config.width):,})"
    return f"{part.kind} {part.width_in(config.width):,}"


def _places(config: ModelConfig) -> str:
    said = {"rope": " (queries and keys turned by RoPE)", "alibi": " (scores by ALiBi)", "t5": " (scores by T5's buckets)",
            "xl": " (scores by Transformer-XL)", "none": ""}  # fmt: skip
    return said.get(config.positions.kind, f" + {config.positions.kind} positions")
