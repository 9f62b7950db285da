"""How is one token a row read fastest? By the same sums as the network's, over weights laid out once for the purpose.

In: a network that will read many single tokens, and the Inputs of one. Out: `logits_BV`. A step of one token reads every weight once
and does next to nothing with it, so on a CPU its time is that of reading memory, plus what each operation costs before it begins. A
Prepared therefore keeps each matrix laid out for products of so many rows (query, key and value, and gate and up, are one matrix each),
and goes through a block in a dozen operations. What it does not know (see `known`), the network
does itself. Processor time of a step of 12 layers of 256 features, one thread, taken in turns on a machine that others used
(2026-11-22): 5.1 ms against the network's 7.1 for one row, 17.3 against 20.2 for 16; summing as many numbers took 1.7.
Legend: B rows, D width, H heads, J heads of keys, G = H/J, K head width, S slots, F feed-forward width, V vocabulary.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn
from torch.nn import functional

from headwater.model.adapters import Adapted
from headwater.model.attention import Attention, Frame
from headwater.model.block import Block
from headwater.model.cache import KVCache
from headwater.model.config import ModelConfig
from headwater.model.feed_forward import GatedUnit, PlainUnit, tanh_gelu
from headwater.model.heads import Vocabulary
from headwater.model.kernels import Lowered
from headwater.model.network import Network
from headwater.model.norms import Identity, LayerNorm, RMSNorm
from headwater.tokens.batch import Inputs

if TYPE_CHECKING:
    from headwater.generation.halves import Gathering

Function = Callable[[torch.Tensor], torch.Tensor]


class Matrix(Protocol):
    """x Wᵀ + b, the columns of several linear layers beside each other."""

    def __call__(self, x_BI: torch.Tensor) -> torch.Tensor: ...

    def onto(self, stream_BO: torch.Tensor, x_BI: torch.Tensor) -> torch.Tensor:
        """Added to the stream."""
        ...


Make = Callable[[torch.Tensor, torch.Tensor | None], Matrix]

# Laying the weights out costs about as much as ten steps.
WORTH_IT = 16
# One row times a matrix that is this much wider than high is fastest column by column; all others as they lie.
WIDE = 8
# From so many rows on a product is more than one walk through its matrix, and MKL's own layout (which torch.compile uses, too) pays.
PACKED_FROM = 4


def prepare(network: Network, steps: int, rows: int = 1) -> Prepared | None:
    """For about `rows` rows a step. None where it would not pay, or where the network has parts that only it knows. Where autocast rounds
    products to bf16, weights are kept as bf16 (generation/halves.py), if this processor multiplies them."""
    casts = torch.is_autocast_enabled(network.device.type)
    adapted = any(isinstance(module, Adapted) for module in network.modules())  # their share stands in no matrix of the layer's own
    if steps < WORTH_IT or network.device.type != "cpu" or adapted or not known(network.config):
        return None
    if casts and not (torch.get_autocast_dtype("cpu") == torch.bfloat16 and network.dtype == torch.float32 and _has_brgemm()):
        return None
    with torch.inference_mode():
        return Prepared(network, rows, halves=casts)


def known(config: ModelConfig) -> bool:
    """Decoders of serial blocks with the norm before and dense feed-forward parts."""
    usual = config.kind == "decoder" and config.mixer.kind == "attention" and config.block == "serial" and config.norm.place == "pre"
    by_layer = config.positions.kind == "xl" or (config.positions.kind == "t5" and config.positions.per_layer)
    dense = config.feed_forward.kind not in ("moe", "none")
    return usual and dense and not by_layer and config.attention_softcap is None and config.head.kind == "lm"


def _has_brgemm() -> bool:
    from headwater.core import brgemm

    return brgemm.found() is not None


@dataclass(frozen=True)
class Slots:
    """Where this step's keys and values go, and what is read: views of the cache, one a layer, made once a step; N = B · J."""

    new_keys_BJK: tuple[torch.Tensor, ...]
    new_values_BJK: tuple[torch.Tensor, ...]
    keys_NKS: tuple[torch.Tensor, ...]
    values_NSK: tuple[torch.Tensor, ...]
    at: tuple[torch.Tensor, torch.Tensor] | None  # rows and slots, where rows are of unequal length; new ones are then whole layers

    @classmethod
    def of(cls, cache: KVCache) -> Slots:
        start = cache.longest
        keys_LBJSK, values_LBJSK = cache.keys_LBJSK, cache.values_LBJSK
        keys_LNKS = keys_LBJSK.flatten(1, 2)[:, :, : start + 1].transpose(2, 3)
        values_LNSK = values_LBJSK.flatten(1, 2)[:, :, : start + 1]
        at = None if cache.even else (torch.arange(len(cache.lengths_B)), cache.lengths_B)
        if at is None:
            keys_LBJSK, values_LBJSK = keys_LBJSK[:, :, :, start], values_LBJSK[:, :, :, start]
        return cls(keys_LBJSK.unbind(), values_LBJSK.unbind(), keys_LNKS.unbind(), values_LNSK.unbind(), at)

    def write(self, layer: int, k_BJK: torch.Tensor, v_BJK: torch.Tensor) -> None:
        if self.at is None:
            self.new_keys_BJK[layer].copy_(k_BJK)
            self.new_values_BJK[layer].copy_(v_BJK)
        else:
            rows_B, slots_B = self.at
            self.new_keys_BJK[layer][rows_B, :, slots_B] = k_BJK
            self.new_values_BJK[layer][rows_B, :, slots_B] = v_BJK


class Prepared:
    def __init__(self, network: Network, rows: int, halves: bool = False) -> None:
        self.network, self.halves = network, halves
        make = _halved if halves else functools.partial(Product, rows)
        self.blocks = [Step(block, rows, make, halves) for block in network.stack.blocks if isinstance(block, Block)]
        assert isinstance(network.output, Vocabulary)
        self.output = network.output
        weight_VD = network.embedding.tokens.weight if self.output.weight is None else self.output.weight
        self.head = None
        if self.output.fall is None:
            scale, bias_V = self.output.scale, self.output.bias
            self.head = make(_times(weight_VD, scale), None if bias_V is None else _times(bias_V, scale))

    def logits(self, inputs: Inputs, cache: KVCache) -> torch.Tensor:
        """`inputs` is one token a row, after what the cache holds."""
        network = self.network
        assert cache.longest < cache.capacity, f"a cache of {cache.capacity} is full"
        positions_B1 = cache.slots(1) if inputs.positions_BT is None else inputs.positions_BT
        frame = network.stack.frame(inputs, positions_B1, cache=cache, memory=None, notes=None)
        x_BD = network.embedding(inputs, positions_B1)[:, 0]
        added = [_added(mask, x_BD.dtype) for mask in frame.masks]
        if self.halves:
            heads = self.blocks[0].heads[0]
            added = [None if mask is None else mask.expand(len(x_BD), heads, 1, -1)[:, :, 0].contiguous() for mask in added]
        slots = cache if self.halves else Slots.of(cache)
        for layer, block in enumerate(self.blocks):
            x_BD = block(layer, x_BD, frame, added[layer % len(added)], slots)
        if network.stack.norm is not None:
            x_BD = network.stack.norm(x_BD)
        return network.head(x_BD) if self.head is None else self.output.bent(self.head(x_BD))


class Step:
    """One block for one token a row."""

    def __init__(self, block: Block, rows: int, make: Make, halves: bool) -> None:
        attention, part = block.attention, block.feed_forward
        assert isinstance(attention, Attention) and isinstance(part, PlainUnit | GatedUnit)
        self.first, self.second = _norm(block.attention_norm), _norm(block.feed_forward_norm)
        self.norms, self.width = (attention.query_norm, attention.key_norm), attention.head_width
        heads, keys = attention.query.out_features // self.width, attention.key.out_features // self.width
        self.heads, self.keys, self.shared = [heads, keys, keys], keys, heads // keys
        # The scale of the scores goes into the queries' weights, where they have no norm and no bits to lose.
        into_weights = attention.query_norm is None and attention.query.weight.dtype == torch.float32 and not halves
        self.scale = 1.0 if into_weights else attention.scores.scale
        first = attention.scores.scale if into_weights else 1.0
        self.gathering = _gathering(heads, keys, self.width, self.scale) if halves else None
        self.read = _product(make, attention.query, attention.key, attention.value, first=first)
        self.out = _product(make, attention.out)
        self.gated = isinstance(part, GatedUnit)
        self.up = _product(make, part.gate, part.up) if isinstance(part, GatedUnit) else _product(make, part.up)
        self.f = _function(part.f, rows, part.down.weight.dtype)
        self.down = _product(make, part.down)

    def __call__(self, layer: int, x_BD: torch.Tensor, frame: Frame, added: torch.Tensor | None, slots: Slots | KVCache) -> torch.Tensor:
        x_BD = self.out.onto(x_BD, self._gathered(layer, self.first(x_BD), frame, added, slots))
        h_BF = self.up(self.second(x_BD))
        if self.gated:
            gate_BF, up_BF = h_BF.chunk(2, dim=-1)
            return self.down.onto(x_BD, self.f(gate_BF).mul_(up_BF))
        return self.down.onto(x_BD, self.f(h_BF))

    def _gathered(self, layer: int, n_BD: torch.Tensor, frame: Frame, added: torch.Tensor | None, slots: Slots | KVCache) -> torch.Tensor:
        """Attention before its output matrix. The G queries that share a key head stand as G queries of one head."""
        rows = n_BD.shape[0]
        q_BHK, k_BJK, v_BJK = self.read(n_BD).view(rows, -1, self.width).split_with_sizes(self.heads, 1)
        query_norm, key_norm = self.norms
        if query_norm is not None and key_norm is not None:
            q_BHK, k_BJK = query_norm(q_BHK), key_norm(k_BJK)
        if frame.rotation is not None:
            q_BHK, k_BJK = (frame.rotation.apply(piece[:, None])[:, 0] for piece in (q_BHK, k_BJK))
        if isinstance(slots, KVCache):
            assert self.gathering is not None
            keys_BJSK, values_BJSK = slots.keys_LBJSK[layer], slots.values_LBJSK[layer]
            return self.gathering(q_BHK, k_BJK, v_BJK, keys_BJSK, values_BJSK, slots.lengths_B, added)
        slots.write(layer, k_BJK, v_BJK)
        q_NGK = q_BHK.reshape(-1, self.shared, self.width)
        if added is not None:
            added = added.expand(rows, self.heads[0], 1, -1).reshape(rows * self.keys, self.shared, -1)
        return _mixed(q_NGK, slots.keys_NKS[layer], slots.values_NSK[layer], added, self.scale).reshape(rows, -1)


def _mixed(
    q_NGK: torch.Tensor, keys_NKS: torch.Tensor, values_NSK: torch.Tensor, added_NGS: torch.Tensor | None, scale: float
) -> torch.Tensor:
    """`mixed_NGK`. Two plain products read fp32 slots faster than SDPA does for one query a head, and bf16 ones slower."""
    if q_NGK.dtype != torch.float32:
        added_1NGS = None if added_NGS is None else added_NGS[None]
        keys_1NSK = keys_NKS.transpose(1, 2)[None]
        return functional.scaled_dot_product_attention(q_NGK[None], keys_1NSK, values_NSK[None], added_1NGS, scale=scale)[0]
    if added_NGS is None:
        scores_NGS = torch.bmm(q_NGK, keys_NKS) if scale == 1 else torch.bmm(q_NGK, keys_NKS).mul_(scale)
    else:
        scores_NGS = torch.baddbmm(added_NGS, q_NGK, keys_NKS, alpha=scale)
    return torch.bmm(scores_NGS.softmax(dim=-1), values_NSK)


class Product:
    """A Matrix for x of `rows` rows, as torch multiplies them."""

    def __init__(self, rows: int, weight_OI: torch.Tensor, bias_O: torch.Tensor | None) -> None:
        self.rows, self.bias_O = rows, bias_O
        self.packed = _packed(weight_OI, rows)
        wide = rows == 1 and weight_OI.dtype == torch.float32 and weight_OI.shape[0] >= WIDE * weight_OI.shape[1]
        self.weight_OI = weight_OI.t().contiguous().t() if wide else weight_OI

    def __call__(self, x_BI: torch.Tensor) -> torch.Tensor:
        if self.packed is not None and x_BI.shape[0] == self.rows:
            y_BO: torch.Tensor = torch.ops.mkl._mkl_linear(x_BI, self.packed, self.weight_OI, self.bias_O, self.rows)
            return y_BO
        return functional.linear(x_BI, self.weight_OI, self.bias_O)

    def onto(self, stream_BO: torch.Tensor, x_BI: torch.Tensor) -> torch.Tensor:
        """Added to the stream."""
        if self.packed is None and self.bias_O is None:
            return torch.addmm(stream_BO, x_BI, self.weight_OI.t())
        return self(x_BI).add_(stream_BO)


def _halved(weight_OI: torch.Tensor, bias_O: torch.Tensor | None) -> Matrix:
    from headwater.generation.halves import Halved  # imports Numba, which reading in fp32 does not ask for

    return Halved(weight_OI, bias_O)


def _gathering(heads: int, keys: int, width: int, scale: float) -> Gathering:
    from headwater.generation.halves import Gathering

    return Gathering(heads, keys, width, scale)


def _product(make: Make, *layers: nn.Linear, first: float = 1.0) -> Matrix:
    """Of several layers beside each other; what the first one gives is multiplied by `first`."""
    factors = [first] + [1.0] * (len(layers) - 1)
    biases = [_times(layer.bias, factor) for layer, factor in zip(layers, factors, strict=True) if layer.bias is not None]
    weights = [_times(layer.weight, factor) for layer, factor in zip(layers, factors, strict=True)]
    return make(_joined(weights), _joined(biases) if biases else None)


def _times(tensor: torch.Tensor, factor: float) -> torch.Tensor:
    return tensor if factor == 1 else tensor * factor


def _joined(tensors: list[torch.Tensor]) -> torch.Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


def _packed(weight_OI: torch.Tensor, rows: int) -> torch.Tensor | None:
    """The matrix as MKL lays it out for products of so many fp32 rows; None where there is no MKL, or it would not pay."""
    if rows < PACKED_FROM or weight_OI.dtype != torch.float32 or not hasattr(torch.ops.mkl, "_mkl_reorder_linear_weight"):
        return None
    packed: torch.Tensor = torch.ops.mkl._mkl_reorder_linear_weight(weight_OI, rows)
    return packed


def _function(f: Function, rows: int, dtype: torch.dtype) -> Function:
    """What computes f fastest for so many rows."""
    return _sigmoid_gelu if f is tanh_gelu and rows >= PACKED_FROM and dtype == torch.float32 else f


def _sigmoid_gelu(h_BF: torch.Tensor) -> torch.Tensor:
    """GELU's tanh form as h / (1 + exp(-2u)) with u = sqrt(2/pi) (h + 0.044715 h³): for 16 x 1,024 numbers 13 µs, torch's own 27."""
    twice = 2 * math.sqrt(2 / math.pi)
    return torch.addcmul(h_BF.new_full((), twice), h_BF, h_BF, value=0.044715 * twice).mul_(h_BF).sigmoid_().mul_(h_BF)


def _norm(module: nn.Module | None) -> Function:
    """The norm as one operation on fp32 or bf16 as it comes."""
    if isinstance(module, RMSNorm):
        shape, weight, eps = module.weight.shape, module.weight, module.eps
        return lambda x_BD: torch.rms_norm(x_BD, shape, weight, eps)
    if isinstance(module, LayerNorm):
        shape, weight, bias, eps = module.weight.shape, module.weight, module.bias, module.eps
        return lambda x_BD: torch.layer_norm(x_BD, shape, weight, bias, eps)
    assert isinstance(module, Identity)
    return lambda x_BD: x_BD


def _added(mask: Lowered, dtype: torch.dtype) -> torch.Tensor | None:
    """The mask as numbers to add to scores, made once for all layers; None where all is allowed."""
    assert not mask.causal, "the first pass is the network's"
    if mask.bias_BHTS is not None:
        return mask.bias_BHTS.to(dtype)
    if mask.allowed_B1TS is None:
        return None
    return torch.zeros_like(mask.allowed_B1TS, dtype=dtype).masked_fill_(~mask.allowed_B1TS, -math.inf)
