"""Tokens in, logits out: the network that a config describes.

    logits_BTV = network(tokens_BT)                                  # a decoder on plain rows
    logits_BTV = network(batch.inputs, source=batch.source)          # whatever an objective made
    logits_BTV = network(new_tokens_BT, cache=cache)                 # after what the cache holds

`hidden` and `head` are its two halves, for whoever needs logits at few positions or another head. Logits are fp32.
Legend: B batch, T new tokens, S keys (T, slots of the cache, or an encoder's tokens), D width, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import nn

from headwater.core.errors import HeadwaterError
from headwater.model.attention import Frame, Memory
from headwater.model.block import Block
from headwater.model.cache import KVCache
from headwater.model.config import ModelConfig
from headwater.model.embedding import TokenEmbedding
from headwater.model.heads import Vocabulary, build_head
from headwater.model.kernels import Lowered, biased, lower
from headwater.model.norms import build_norm
from headwater.model.notes import Notes
from headwater.model.positions import Rotation
from headwater.model.recompute import recomputed
from headwater.model.scores import build_bias
from headwater.tokens.batch import Inputs
from headwater.tokens.masks import Both, Causal, Documents, Either, Mask, Places, causal, documents, full


class Stack(nn.Module):
    """Blocks one after the other, and the norm that ends them."""

    def __init__(self, config: ModelConfig, *, encoder: bool = False) -> None:
        super().__init__()
        depth = config.encoder_depth if encoder else config.layers
        self.config = config
        self.both_ways = encoder or config.kind == "encoder"
        self.recomputes = False
        self.blocks = nn.ModuleList(Block(config, layer, encoder=self.both_ways) for layer in range(depth))
        self.norm = build_norm(config) if config.norm.ends else None
        own = config.positions.kind == "t5" and config.positions.per_layer
        self.bias = None if own else build_bias(config, both_ways=self.both_ways)

    def forward(
        self,
        x_BTD: torch.Tensor,
        inputs: Inputs,
        positions_BT: torch.Tensor,
        *,
        cache: KVCache | None = None,
        memory: Memory | None = None,
        notes: Notes | None = None,
    ) -> torch.Tensor:
        frame = self.frame(inputs, positions_BT, cache=cache, memory=memory, notes=notes)
        for block in self.blocks:
            x_BTD = recomputed(block, x_BTD, frame) if self.recomputes else block(x_BTD, frame)
        if self.norm is not None:
            x_BTD = self.norm(x_BTD, frame.real_BT)
        return x_BTD

    def frame(
        self, inputs: Inputs, positions_BT: torch.Tensor, *, cache: KVCache | None, memory: Memory | None, notes: Notes | None
    ) -> Frame:
        """What all layers share in this pass."""
        order_BQ = _order(inputs.tokens_BT, cache)
        if cache is None or cache.longest == 0:
            order_BQ = order_BK = order_BQ[:1]
        else:
            order_BK = torch.arange(cache.longest + order_BQ.shape[1], device=order_BQ.device)[None]
        masks = tuple(_lowered(inputs, part.mask(), order_BQ, order_BK, cache) for part in self.config.pattern)
        if self.bias is not None:
            bias_BHTS = self.bias(order_BQ, order_BK)
            masks = tuple(biased(mask, bias_BHTS) for mask in masks)
        rotation = None
        if self.config.positions.kind == "rope":
            rotation = Rotation.at(positions_BT, self.config.positions, self.config.head_features)
        segments_BT = inputs.segments_BT if _apart(inputs.mask) else None
        return Frame(masks, order_BQ, order_BK, rotation, cache, memory, inputs.real_BT, notes, segments_BT)


class Network(nn.Module):
    """Parameters stand under `embedding.`, `encoder.` (of an encoder–decoder), `stack.`, `output.` and `ahead.`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = TokenEmbedding(config)
        self.encoder = Stack(config, encoder=True) if config.kind == "encoder-decoder" else None
        self.stack = Stack(config)
        self.output = build_head(config)
        future = config.head.future if config.head.kind == "lm" else 0
        self.ahead = nn.ModuleList(Block(config, config.layers - 1) for _ in range(future))

    @property
    def device(self) -> torch.device:
        return self.embedding.tokens.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights; autocast may compute in another."""
        return self.embedding.tokens.weight.dtype

    def recompute(self, on: bool) -> None:
        """Whether the activations of a block are forgotten and made anew for its gradient; bits are the same."""
        for stack in (self.encoder, self.stack):
            if stack is not None:
                stack.recomputes = on

    def forward(
        self,
        inputs: Inputs | torch.Tensor,
        *,
        source: Inputs | torch.Tensor | None = None,
        cache: KVCache | None = None,
        notes: Notes | None = None,
    ) -> torch.Tensor:
        """What the head makes of the hidden states: `logits_BTV`, fp32, of a language model. See `hidden`."""
        inputs = as_inputs(inputs, self.config)
        return self.head(self.hidden(inputs, source=source, cache=cache, notes=notes), inputs.real_BT)

    def hidden(
        self,
        inputs: Inputs | torch.Tensor,
        *,
        source: Inputs | torch.Tensor | None = None,
        cache: KVCache | None = None,
        notes: Notes | None = None,
    ) -> torch.Tensor:
        """`x_BTD` after the last norm.

        Positions are places in the row unless given; they decide what a token knows of its place, never what it may see.
        `source` is what the encoder reads; with a cache it is read once. Raises HeadwaterError when a row is longer than the
        model's context.
        """
        inputs = as_inputs(inputs, self.config)
        self._check_length(inputs.tokens_BT, 0 if cache is None else cache.longest)
        memory = None if self.encoder is None else self._memory(inputs, source, cache, notes)
        positions_BT = _order(inputs.tokens_BT, cache) if inputs.positions_BT is None else inputs.positions_BT
        x_BTD = self.embedding(inputs, positions_BT)
        out_BTD: torch.Tensor = self.stack(x_BTD, inputs, positions_BT, cache=cache, memory=memory, notes=notes)
        return out_BTD

    def encode(self, source: Inputs | torch.Tensor, notes: Notes | None = None) -> torch.Tensor:
        """`x_BSD`, what the encoder of an encoder–decoder makes of its source."""
        assert self.encoder is not None, "this network has no encoder beside its stack"
        source = as_source(source)
        self._check_length(source.tokens_BT, 0)
        positions_BS = _order(source.tokens_BT, None) if source.positions_BT is None else source.positions_BT
        x_BSD: torch.Tensor = self.encoder(self.embedding(source, positions_BS), source, positions_BS, notes=notes)
        return x_BSD

    def head(self, x_BTD: torch.Tensor, real_BT: torch.Tensor | None = None) -> torch.Tensor:
        """What the head makes of hidden states; `real_BT` says which are not padding, for heads that read whole rows."""
        out: torch.Tensor = self.output(x_BTD, self.embedding.tokens.weight, real_BT)
        return out

    def future(self, x_BTD: torch.Tensor, inputs: Inputs) -> list[torch.Tensor]:
        """`logits_BTV` of the tokens 2, 3, … places ahead, from hidden states (Gloeckle et al. 2024, section 2)."""
        positions_BT = _order(inputs.tokens_BT, None) if inputs.positions_BT is None else inputs.positions_BT
        frame = self.stack.frame(inputs, positions_BT, cache=None, memory=None, notes=None)
        norm = self.stack.norm
        again = self.stack.recomputes
        states = [recomputed(block, x_BTD.float(), frame) if again else block(x_BTD.float(), frame) for block in self.ahead]
        return [self.head(x if norm is None else norm(x, frame.real_BT)) for x in states]

    def follows(self, x_BTD: torch.Tensor) -> torch.Tensor:
        """`logits_B2` of a masked-language head with next_sentence."""
        assert isinstance(self.output, Vocabulary)
        return self.output.follows(x_BTD)

    def _memory(self, inputs: Inputs, source: Inputs | torch.Tensor | None, cache: KVCache | None, notes: Notes | None) -> Memory:
        """The encoder's states with the mask of cross-attention: a token sees its own document's source, and no padding."""
        if source is None:
            assert cache is not None and cache.source, "an encoder-decoder reads a source first"
            return Memory(None, _across(inputs, cache.source_segments_BS))
        source = as_source(source)
        if cache is not None:
            cache.source_segments_BS = source.segments_BT
        return Memory(self.encode(source, notes), _across(inputs, source.segments_BT))

    def _check_length(self, tokens_BT: torch.Tensor, before: int) -> None:
        length = tokens_BT.shape[1] + before
        if length > self.config.context:
            raise HeadwaterError(f"a row of {length} tokens exceeds the model's context of {self.config.context}",
                                 where="model.context", mend="shorten the text, or train with a longer context")  # fmt: skip


def as_inputs(inputs: Inputs | torch.Tensor, config: ModelConfig) -> Inputs:
    """Plain tokens as this network reads them: an encoder both ways, a decoder from the left."""
    if isinstance(inputs, Inputs):
        return inputs
    return Inputs(inputs, mask=full() if config.kind == "encoder" else causal())


def as_source(source: Inputs | torch.Tensor) -> Inputs:
    return source if isinstance(source, Inputs) else Inputs(source, mask=full())


def _order(tokens_BT: torch.Tensor, cache: KVCache | None) -> torch.Tensor:
    """Each token's place in its row; one row where all rows agree."""
    if cache is not None:
        return cache.slots(tokens_BT.shape[1])
    return torch.arange(tokens_BT.shape[1], device=tokens_BT.device)[None]


def _apart(mask: Mask) -> bool:
    """Whether nothing is seen across documents."""
    if isinstance(mask, Both):
        return _apart(mask.left) or _apart(mask.right)
    return isinstance(mask, Documents) or (isinstance(mask, Either) and _apart(mask.left) and _apart(mask.right))


def _lowered(inputs: Inputs, pattern: Mask, order_BQ: torch.Tensor, order_BK: torch.Tensor, cache: KVCache | None) -> Lowered:
    """The mask of a layer for this pass. With a cache, keys are its slots, and a slot past a row's last written one is nothing."""
    mask = inputs.mask & pattern
    if cache is None or cache.longest == 0:
        return lower(mask, Places(order_BQ, order_BQ, inputs.segments_BT, inputs.segments_BT, inputs.prefix_BT), from_start=True)
    if isinstance(mask, Causal) and cache.even and order_BQ.shape[1] == 1:
        return Lowered()  # one token after everything: it may see all
    written_BTS = order_BK[:, None] <= order_BQ[:, -1:, None]
    return Lowered(allowed_B1TS=(mask.dense(Places(order_BQ, order_BK)) & written_BTS)[:, None])


def _across(inputs: Inputs, source_segments_BS: torch.Tensor | None) -> Lowered:
    if source_segments_BS is None:
        return Lowered()
    segments_BT = torch.ones_like(inputs.tokens_BT) if inputs.segments_BT is None else inputs.segments_BT
    return lower(documents(), Places(segments_BT, source_segments_BS, segments_BT, source_segments_BS), from_start=False)
