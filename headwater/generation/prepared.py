"""How is one token a row read fastest? By the same sums as the network's, over weights laid out once for the purpose.

In: a network that will read many single tokens, and the Inputs of one. Out: `logits_BV`. A step of one token reads every weight once
and does next to nothing with it, so on a CPU its time is that of reading memory, plus what each operation costs before it begins. A
Prepared therefore keeps a copy of each matrix with its inputs as rows (products of few rows read it in order; query, key and value, and
gate and up, are one matrix each), and goes through a block in a dozen operations. What it does not know (see `known`), the network
does itself. Processor time of a step of 12 layers of 256 features, one thread, taken in turns on a machine that others used
(2026-11-22): 5.1 ms against the network's 7.1 for one row, 17.3 against 20.2 for 16; summing as many numbers took 1.7.
Legend: B rows, D width, H heads, J heads of keys, G = H/J, K head width, S slots, F feed-forward width, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from headwater.model.adapters import Adapted
from headwater.model.attention import Attention, Frame
from headwater.model.block import Block
from headwater.model.cache import KVCache
from headwater.model.config import ModelConfig
from headwater.model.feed_forward import GatedUnit, PlainUnit
from headwater.model.heads import Vocabulary
from headwater.model.kernels import Lowered
from headwater.model.network import Network
from headwater.model.norms import Identity, LayerNorm, RMSNorm
from headwater.tokens.batch import Inputs

Function = Callable[[torch.Tensor], torch.Tensor]

# Laying the weights out costs about as much as ten steps.
WORTH_IT = 16


def prepare(network: Network, steps: int) -> Prepared | None:
    """None where it would not pay, or where the network has parts that only it knows."""
    casts = torch.is_autocast_enabled(network.device.type)
    adapted = any(isinstance(module, Adapted) for module in network.modules())  # their share stands in no matrix of the layer's own
    if steps < WORTH_IT or network.device.type != "cpu" or casts or adapted or not known(network.config):
        return None
    with torch.inference_mode():
        return Prepared(network)


def known(config: ModelConfig) -> bool:
    """Decoders of serial blocks with the norm before and dense feed-forward parts."""
    usual = config.kind == "decoder" and config.mixer.kind == "attention" and config.block == "serial" and config.norm.place == "pre"
    by_layer = config.positions.kind == "xl" or (config.positions.kind == "t5" and config.positions.per_layer)
    dense = config.feed_forward.kind not in ("moe", "none")
    return usual and dense and not by_layer and config.attention_softcap is None and config.head.kind == "lm"


@dataclass(frozen=True)
class Slots:
    """Where this step's keys and values go, and what is read: views of the cache, one a layer."""

    new_keys: tuple[torch.Tensor, ...]
    new_values: tuple[torch.Tensor, ...]
    keys: tuple[torch.Tensor, ...]
    values: tuple[torch.Tensor, ...]
    at: tuple[torch.Tensor, torch.Tensor] | None  # rows and slots, where rows are of unequal length

    @classmethod
    def of(cls, cache: KVCache) -> Slots:
        start = cache.longest
        assert start < cache.capacity, f"a cache of {cache.capacity} is full"
        keys, values = (whole[:, :, :, : start + 1].unbind() for whole in (cache.keys_LBJSK, cache.values_LBJSK))
        if cache.even:
            new_keys, new_values = (whole[:, :, :, start].unbind() for whole in (cache.keys_LBJSK, cache.values_LBJSK))
            return cls(new_keys, new_values, keys, values, None)
        return cls((), (), keys, values, (torch.arange(len(cache.lengths_B)), cache.lengths_B))

    def write(self, layer: int, k_BJK: torch.Tensor, v_BJK: torch.Tensor) -> None:
        if self.at is None:
            self.new_keys[layer].copy_(k_BJK)
            self.new_values[layer].copy_(v_BJK)
        else:
            rows_B, slots_B = self.at
            self.keys[layer][rows_B, :, slots_B] = k_BJK
            self.values[layer][rows_B, :, slots_B] = v_BJK


class Prepared:
    def __init__(self, network: Network) -> None:
        self.network = network
        self.blocks = [Step(block) for block in network.stack.blocks if isinstance(block, Block)]
        assert isinstance(network.output, Vocabulary)
        self.output = network.output
        weight_VD = network.embedding.tokens.weight if self.output.weight is None else self.output.weight
        self.head_VD = None if self.output.fall is not None else _by_inputs(weight_VD)

    def logits(self, inputs: Inputs, cache: KVCache) -> torch.Tensor:
        """`inputs` is one token a row, after what the cache holds."""
        network = self.network
        positions_B1 = cache.slots(1) if inputs.positions_BT is None else inputs.positions_BT
        frame = network.stack.frame(inputs, positions_B1, cache=cache, memory=None, notes=None)
        x_BD = network.embedding(inputs, positions_B1)[:, 0]
        added = [_added(mask, x_BD.dtype) for mask in frame.masks]
        slots = Slots.of(cache)
        for layer, block in enumerate(self.blocks):
            x_BD = block(layer, x_BD, frame, added[layer % len(added)], slots)
        if network.stack.norm is not None:
            x_BD = network.stack.norm(x_BD)
        return network.head(x_BD) if self.head_VD is None else self.output.logits(x_BD, self.head_VD)


class Step:
    """One block for one token a row."""

    def __init__(self, block: Block) -> None:
        attention, part = block.attention, block.feed_forward
        assert isinstance(attention, Attention) and isinstance(part, PlainUnit | GatedUnit)
        self.first, self.second = _norm(block.attention_norm), _norm(block.feed_forward_norm)
        self.norms = (attention.query_norm, attention.key_norm)
        self.width, self.scale = attention.head_width, attention.scores.scale
        heads, keys = attention.query.out_features // self.width, attention.key.out_features // self.width
        self.heads, self.shape = [heads, keys, keys], (keys, heads // keys, self.width)
        self.read = Product(attention.query, attention.key, attention.value)
        self.out = Product(attention.out)
        self.gated = isinstance(part, GatedUnit)
        self.up = Product(part.gate, part.up) if isinstance(part, GatedUnit) else Product(part.up)
        self.f: Function = part.f.forward if isinstance(part.f, nn.Module) else part.f
        self.down = Product(part.down)

    def __call__(self, layer: int, x_BD: torch.Tensor, frame: Frame, added: torch.Tensor | None, slots: Slots) -> torch.Tensor:
        x_BD = self.out.onto(x_BD, self._gathered(layer, self.first(x_BD), frame, added, slots))
        h_BF = self.up(self.second(x_BD))
        if self.gated:
            gate_BF, up_BF = h_BF.chunk(2, dim=-1)
            return self.down.onto(x_BD, self.f(gate_BF).mul_(up_BF))
        return self.down.onto(x_BD, self.f(h_BF))

    def _gathered(self, layer: int, n_BD: torch.Tensor, frame: Frame, added: torch.Tensor | None, slots: Slots) -> torch.Tensor:
        """Attention before its output matrix. The G queries that share a key head stand as G queries of one head."""
        rows = len(n_BD)
        q_BHK, k_BJK, v_BJK = self.read(n_BD).view(rows, -1, self.width).split_with_sizes(self.heads, 1)
        query_norm, key_norm = self.norms
        if query_norm is not None and key_norm is not None:
            q_BHK, k_BJK = query_norm(q_BHK), key_norm(k_BJK)
        if frame.rotation is not None:
            q_BHK, k_BJK = (frame.rotation.apply(piece[:, None])[:, 0] for piece in (q_BHK, k_BJK))
        slots.write(layer, k_BJK, v_BJK)
        if added is not None and added.shape[1] > 1:
            added = added.view(added.shape[0], *self.shape[:2], -1)
        mixed_BJGK = functional.scaled_dot_product_attention(
            q_BHK.view(rows, *self.shape), slots.keys[layer], slots.values[layer], added, scale=self.scale
        )
        return mixed_BJGK.view(rows, -1) if mixed_BJGK.is_contiguous() else mixed_BJGK.reshape(rows, -1)


class Product:
    """x W + b with the columns of several linear layers beside each other."""

    def __init__(self, *layers: nn.Linear) -> None:
        self.weight_IO = torch.cat([layer.weight for layer in layers]).t().contiguous()
        self.bias_O = None if layers[0].bias is None else torch.cat([layer.bias for layer in layers])

    def __call__(self, x_BI: torch.Tensor) -> torch.Tensor:
        return torch.mm(x_BI, self.weight_IO) if self.bias_O is None else torch.addmm(self.bias_O, x_BI, self.weight_IO)

    def onto(self, stream_BO: torch.Tensor, x_BI: torch.Tensor) -> torch.Tensor:
        """Added to the stream."""
        sum_BO = torch.addmm(stream_BO, x_BI, self.weight_IO)
        return sum_BO if self.bias_O is None else sum_BO.add_(self.bias_O)


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


def _by_inputs(weight_OI: torch.Tensor) -> torch.Tensor:
    """The same matrix, its memory in the order of its inputs."""
    return weight_OI.detach().t().contiguous().t()


def _added(mask: Lowered, dtype: torch.dtype) -> torch.Tensor | None:
    """The mask as numbers to add to scores, made once for all layers; None where all is allowed."""
    assert not mask.causal, "the first pass is the network's"
    if mask.bias_BHTS is not None:
        return mask.bias_BHTS.to(dtype)
    if mask.allowed_B1TS is None:
        return None
    return torch.zeros_like(mask.allowed_B1TS, dtype=dtype).masked_fill_(~mask.allowed_B1TS, -math.inf)
