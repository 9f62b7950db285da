"""What is a family? How one published architecture says and names what our network has: a config, back and forth, and a list of tensors.

A stored tensor is made of one or more of ours, one below the other (or head by head), and perhaps lies transposed. `store` and
`restore` are the two directions of that list, inverse to each other. A family can express a config when it comes back the same
from the family's own config.json: nothing that we have and it has not can be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import ValidationError

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.model.parts import Absent, FeedForwardConfig, MoE, RoPE

HuggingFace = dict[str, Any]  # a config.json


@dataclass(frozen=True)
class Stored:
    """One tensor of a checkpoint: `name` there, made of `parts` here.

    `heads`: the parts take turns head by head (NeoX, BLOOM), instead of one standing below the other. `rows_before` empty rows
    stand before ours (OPT's and RoBERTa's positions begin at 2). `expert`: it is that one of a part that holds all experts.
    """

    name: str
    parts: tuple[str, ...]
    transposed: bool = False
    heads: int | None = None
    rows_before: int = 0
    expert: int | None = None

    def shape(self, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
        """Its shape in the checkpoint, from the shapes of our parts."""
        ours = [shapes[part] if self.expert is None else shapes[part][1:] for part in self.parts]
        stacked = (sum(shape[0] for shape in ours) + self.rows_before, *ours[0][1:])
        return stacked[::-1] if self.transposed else stacked


@dataclass(frozen=True)
class Family:
    """`parse` reads a config.json (HeadwaterError where it says what we have not), `config` writes one without the token ids.

    `types` are the model_types it reads; `opens` is the class of transformers that computes the same.
    """

    name: str
    types: tuple[str, ...]
    opens: str
    parse: Callable[[HuggingFace], ModelConfig]
    config: Callable[[ModelConfig], HuggingFace]
    tensors: Callable[[ModelConfig], list[Stored]]
    ignored: tuple[str, ...] = ()  # patterns of tensors that some checkpoints keep and nobody needs
    prefix: str = ""  # begins names that some checkpoints keep without it (GPT-2's "transformer.")

    def mismatch(self, config: ModelConfig) -> str | None:
        """None, or the first thing that the family cannot say of this config."""
        try:
            there = essence(self.parse(self.config(config)))
        except ValidationError as error:
            return f"{self.name} cannot have it: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
        except HeadwaterError as error:
            return f"{self.name} cannot have it: {error.what}"
        here = essence(config)
        for key in here | there:
            if here.get(key) != there.get(key):
                return f"{self.name} has {key} {_said(there.get(key))}, not {_said(here.get(key))}"
        return None


def _said(value: object) -> str:
    if isinstance(value, list):  # what each layer sees
        return ", ".join(" ".join(str(word) for word in part.values()) for part in value)
    return "none" if value is None else str(value)


def essence(config: ModelConfig) -> dict[str, Any]:
    """What decides a trained network's logits, every default spelled out: `{"norm.kind": "rms", …}`."""
    part, norms, depth = config.feed_forward, config.norm, max(config.layers, config.encoder_depth)
    plain = spelled_out(config.feed_forward_in(0), config.width)
    has_norm_bias, has_head_bias = norms.kind == "layer" and config.biases.norms, config.head.kind == "lm" and config.biases.head
    spelled: dict[str, Any] = {
        "kv_heads": config.key_heads,
        "head_width": config.head_features,
        "encoder_layers": config.encoder_depth,
        "attention_scale": round(config.scores_scale, 9),
        "pattern": tuple(config.pattern[layer % len(config.pattern)] for layer in range(depth)),
        "norm": norms.model_copy(update={"final": norms.ends, "alpha": config.deep_alpha() if norms.place == "deep" else None}),
        "feed_forward": _experts(part, config) if isinstance(part, MoE) else plain,
        "positions": _positions(config.positions) if isinstance(config.positions, RoPE) else config.positions,
        "biases": config.biases.model_copy(update={"norms": has_norm_bias, "head": has_head_bias}),
        "embedding": config.embedding.model_copy(update={"width": config.table_width}),
    }
    dumped = config.model_copy(update=spelled).model_dump(mode="json")
    chance = ("init", "dropout", "attention_dropout", "feed_forward_dropout", "stochastic_depth")
    return _flat({key: value for key, value in dumped.items() if key not in chance})


def _experts(part: MoE, config: ModelConfig) -> MoE:
    """Without losses, and without a dense part where no layer has one."""
    dense = any(not part.in_layer(layer) for layer in range(max(config.layers, config.encoder_depth)))
    return part.model_copy(
        update={
            "expert": spelled_out(part.expert, config.width),
            "dense": spelled_out(part.dense or part.expert, config.width) if dense else None,
            "balance_loss": 0.0,
            "router_z_loss": 0.0,
        }
    )


def _positions(rope: RoPE) -> RoPE:
    scaled = rope.scaling
    if scaled is None:
        return rope
    fast, slow = {"llama3": (4.0, 1.0), "yarn": (32.0, 1.0)}.get(scaled.kind, (None, None))
    return rope.model_copy(update={"scaling": scaled.model_copy(update={"fast": scaled.fast or fast, "slow": scaled.slow or slow})})


def spelled_out(part: FeedForwardConfig, width: int) -> FeedForwardConfig:
    """A feed-forward part with its width, and without the form of a GELU that it does not have."""
    if isinstance(part, MoE | Absent):
        return part
    form = {} if part.kind in ("gelu", "geglu") else {"approximate": "tanh"}
    return part.model_copy(update={"width": part.width_in(width), **form})


def _flat(data: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        found.update(_flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value})
    return found


def store(stored: list[Stored], ours: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Our tensors as the family keeps them, fp32, each with memory of its own."""
    tensors = {}
    for entry in stored:
        parts = [ours[part].detach().to("cpu", torch.float32) for part in entry.parts]
        if entry.expert is not None:
            parts = [part[entry.expert] for part in parts]
        if entry.heads is None:
            stacked = torch.cat(parts)
        else:
            stacked = torch.cat([part.reshape(entry.heads, -1, *part.shape[1:]) for part in parts], dim=1).flatten(0, 1)
        if entry.rows_before:
            stacked = torch.cat([stacked.new_zeros(entry.rows_before, *stacked.shape[1:]), stacked])
        tensors[entry.name] = (stacked.T if entry.transposed else stacked).contiguous()
    return tensors


def restore(stored: list[Stored], theirs: Mapping[str, torch.Tensor], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """The family's tensors as ours, fp32; `shapes` are ours."""
    tensors: dict[str, torch.Tensor] = {}
    for entry in stored:
        stacked = (theirs[entry.name].T if entry.transposed else theirs[entry.name])[entry.rows_before :].float()
        rows = [shapes[part][0 if entry.expert is None else 1] for part in entry.parts]
        if entry.heads is None:
            pieces = torch.split(stacked, rows)
        else:
            apart = torch.split(stacked.reshape(entry.heads, -1, *stacked.shape[1:]), [count // entry.heads for count in rows], dim=1)
            pieces = tuple(piece.flatten(0, 1) for piece in apart)
        for part, piece in zip(entry.parts, pieces, strict=True):
            if entry.expert is None:
                tensors[part] = piece.contiguous()
            else:
                tensors.setdefault(part, torch.empty(shapes[part]))[entry.expert] = piece
    return tensors
