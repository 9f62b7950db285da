"""What several families say alike: RoPE and its scaling, names of activations, which layer has a bias, the tensors of blocks.

In: a config.json's words, or our config. Out: blocks of our config, or of theirs, and lists of `Stored` tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.model.families.family import HuggingFace, Stored
from headwater.model.parts import Absent, Everywhere, Gated, MoE, PatternConfig, Plain, RoPE, Window

PLAIN: dict[str, dict[str, Any]] = {
    "gelu_new": {"kind": "gelu", "approximate": "tanh"},
    "gelu_pytorch_tanh": {"kind": "gelu", "approximate": "tanh"},
    "gelu_fast": {"kind": "gelu", "approximate": "tanh"},
    "gelu": {"kind": "gelu", "approximate": "none"},
    "relu": {"kind": "relu"},
    "relu2": {"kind": "relu2"},
}
GATED: dict[str, dict[str, Any]] = {
    "silu": {"kind": "swiglu"},
    "swish": {"kind": "swiglu"},
    "gelu_pytorch_tanh": {"kind": "geglu", "approximate": "tanh"},
    "gelu_new": {"kind": "geglu", "approximate": "tanh"},
    "gelu": {"kind": "geglu", "approximate": "none"},
    "relu": {"kind": "reglu"},
    "sigmoid": {"kind": "glu"},
}

# --- feed-forward ---


def plain(name: str, width: int) -> dict[str, Any]:
    """Our feed-forward part without a gate. Raises HeadwaterError for an activation that we have not."""
    return {**_known(PLAIN, name), "width": width}


def gated(name: str, width: int) -> dict[str, Any]:
    """Our feed-forward part with a gate."""
    return {**_known(GATED, name), "width": width}


def _known(table: Mapping[str, dict[str, Any]], name: str) -> dict[str, Any]:
    if name not in table:
        raise HeadwaterError(f"has the activation '{name}'", where="config.json", mend=f"Headwater knows {', '.join(table)} there")
    return table[name]


def plain_name(config: ModelConfig) -> str:
    """Hugging Face's name of our activation; where we have a gate, any name (the kind will not come back the same)."""
    return _name(PLAIN, config.feed_forward, "gelu_new")


def gated_name(config: ModelConfig) -> str:
    part = config.feed_forward
    return _name(GATED, part.expert if isinstance(part, MoE) else part, "silu")


def _name(table: Mapping[str, dict[str, Any]], part: Plain | Gated | MoE | Absent, otherwise: str) -> str:
    wanted = part.model_dump(include={"kind", "approximate"} if part.kind in ("gelu", "geglu") else {"kind"})
    return next((name for name, said in table.items() if said == wanted), otherwise)


def inner_width(config: ModelConfig) -> int:
    """Features inside the (dense) feed-forward part; where there is none, any number (the kind will not come back the same)."""
    part = config.feed_forward
    if isinstance(part, Absent):
        return config.width
    return (part.dense or part.expert).width_in(config.width) if isinstance(part, MoE) else part.width_in(config.width)


# --- attention ---


def windowed(size: int | None, context: int) -> dict[str, Any]:
    """Our pattern of a layer with Hugging Face's sliding_window; one beyond the context forbids nothing."""
    return {"kind": "all"} if size is None or size > context else {"kind": "window", "size": size}


def window_of(part: PatternConfig) -> int | None:
    """Hugging Face's sliding_window of a layer."""
    return part.size if isinstance(part, Window) else None


def layer_patterns(config: ModelConfig) -> list[PatternConfig]:
    """What each layer sees, one after the other."""
    return [config.pattern[layer % len(config.pattern)] for layer in range(config.layers)]


def sees_all(part: PatternConfig) -> bool:
    return isinstance(part, Everywhere)


def rope(theirs: HuggingFace, *, share: float = 1.0, base: float = 10_000.0) -> dict[str, Any]:
    """Our rotary positions, from transformers 5's rope_parameters or from the words of older versions."""
    said = theirs.get("rope_parameters") or {"rope_type": "default", **(theirs.get("rope_scaling") or {})}
    return {
        "kind": "rope",
        "base": said.get("rope_theta") or theirs.get("rope_theta", base),
        "share": said.get("partial_rotary_factor") or share,
        "scaling": scaling(said),
    }


def scaling(said: HuggingFace) -> dict[str, Any] | None:
    """Our scaling from Hugging Face's rope_parameters. Raises HeadwaterError for one that we have not."""
    kind = said.get("rope_type", said.get("type", "default"))
    if kind == "default":
        return None
    if kind == "linear":
        return {"kind": kind, "factor": said["factor"]}
    context = said.get("original_max_position_embeddings")
    if kind == "llama3":
        return {"kind": kind, "factor": said["factor"], "original_context": context,
                "fast": said["high_freq_factor"], "slow": said["low_freq_factor"]}  # fmt: skip
    odd = next((key for key in ("attention_factor", "mscale", "mscale_all_dim") if said.get(key) is not None), None)
    if kind == "yarn" and odd is None and said.get("truncate", True):
        return {"kind": kind, "factor": said["factor"], "original_context": context, "fast": said.get("beta_fast") or 32.0,
                "slow": said.get("beta_slow") or 1.0}  # fmt: skip
    what = f"scales RoPE by '{kind}'" + (f" with a {odd} of its own" if odd else "")
    raise HeadwaterError(what, where="config.json", mend="Headwater knows default, linear, plain yarn and llama3")


def rope_parameters(ours: RoPE) -> HuggingFace:
    """Hugging Face's rope_parameters. A base raised by NTK has no word there, so it does not come back."""
    said: HuggingFace = {"rope_type": "default", "rope_theta": ours.base}
    scaled = ours.scaling
    if scaled is None or scaled.kind == "ntk":
        return said
    said |= {"rope_type": scaled.kind, "factor": scaled.factor}
    if scaled.kind == "llama3":
        said |= {"high_freq_factor": scaled.fast or 4.0, "low_freq_factor": scaled.slow or 1.0}
    if scaled.kind == "yarn":
        said |= {"beta_fast": scaled.fast or 32.0, "beta_slow": scaled.slow or 1.0}
    if scaled.original_context is not None:
        said["original_max_position_embeddings"] = scaled.original_context
    return said


def rope_said(config: ModelConfig) -> HuggingFace:
    """All that a config.json says of rotary positions: first what transformers 5 reads, then what older versions and other tools do."""
    ours = config.positions if isinstance(config.positions, RoPE) else RoPE()
    said = rope_parameters(ours)
    older = {key: value for key, value in said.items() if key != "rope_theta"}
    found = {"rope_parameters": said, "rope_theta": ours.base}
    return found if said["rope_type"] == "default" else {**found, "rope_scaling": older}


# --- tensors ---


def has_bias(config: ModelConfig, part: str) -> bool:
    """Whether `attention.query`, `feed_forward.up`, `attention_norm` … of a block has a bias."""
    biases = config.biases
    if part.endswith("norm"):
        return biases.norms and config.norm.kind == "layer"
    if part.endswith("out"):
        return biases.out
    return biases.feed_forward if part.startswith("feed_forward") else biases.queries


def stored(name: str, *parts: str, bias: bool = False, transposed: bool = False, heads: int | None = None) -> list[Stored]:
    """A layer's weight, and its bias where it has one."""
    found = [Stored(f"{name}.weight", tuple(f"{part}.weight" for part in parts), transposed, heads)]
    if bias:
        found.append(Stored(f"{name}.bias", tuple(f"{part}.bias" for part in parts), heads=heads))
    return found


Names = Mapping[str, str | tuple[str, ...]]


def block(config: ModelConfig, there: str, here: str, names: Names, *, transposed: bool = False, by_heads: bool = False) -> list[Stored]:
    """One block: `names` say for each of their layers which of ours it is, or which ones are one tensor there.

    `transposed`: matrices lie the other way. `by_heads`: those that are several of ours take turns head by head.
    """
    found = []
    for theirs, ours in names.items():
        parts = (ours,) if isinstance(ours, str) else ours
        lies = transposed and not parts[0].endswith("norm")
        heads = config.heads if by_heads and len(parts) > 1 else None
        found += stored(
            f"{there}.{theirs}", *(f"{here}.{part}" for part in parts), bias=has_bias(config, parts[0]), transposed=lies, heads=heads
        )
    return found


def head(config: ModelConfig, name: str) -> list[Stored]:
    """The language head: a matrix unless it is tied, and a bias where it has one."""
    found = [] if config.tied else [Stored(f"{name}.weight", ("output.weight",))]
    return [*found, Stored(f"{name}.bias", ("output.bias",))] if config.biases.head else found
