"""What has the network already read? Keys and values of every layer, kept so that a new token costs one token's work.

    cache = KVCache(config, rows=2, capacity=256)
    logits = network(prompts_BT, cache=cache)      # rows of unequal length, padded on the right
    cache.advance(lengths)                         # how many of the T tokens of each row were real
    logits = network(next_B1, cache=cache)
    cache.advance(1)

An encoder–decoder's first pass hands in its source; the keys and values that cross-attention makes of it are kept, too. An LSTM keeps
its state after each token and a convolution its inputs, in the same slots.

A forward pass writes its T tokens behind each row's real ones, and `advance` says how many of them count. Padding thus stands
at places later than any real query (a causal mask hides it) and the next write covers it. A slot is a token's place in its row.
Nothing here knows how attention is computed. Legend: L layers, B rows, J heads of keys, S slots, T new tokens, K head width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from headwater.model.config import ModelConfig


class KVCache:
    """Preallocated keys and values, with each row's own length."""

    def __init__(
        self, config: ModelConfig, rows: int, capacity: int, *, dtype: torch.dtype = torch.float32, device: torch.device | None = None
    ) -> None:
        attends = config.mixer.kind == "attention"
        heads, features = (config.key_heads, config.head_features) if attends else (1, config.width)
        shape = (config.layers, rows, heads, capacity, features)
        self.keys_LBJSK = torch.zeros(shape, dtype=dtype, device=device)
        self.values_LBJSK = torch.zeros(shape, dtype=dtype, device=device)
        self.lengths_B = torch.zeros(rows, dtype=torch.int64)  # on the CPU, where decisions are taken
        self.source: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # keys and values of cross-attention, by layer
        self.source_segments_BS: torch.Tensor | None = None

    @property
    def capacity(self) -> int:
        return self.keys_LBJSK.shape[3]

    @property
    def longest(self) -> int:
        return int(self.lengths_B.max())

    @property
    def even(self) -> bool:
        """Whether all rows are equally long, so that no row needs a mask of its own."""
        return bool((self.lengths_B == self.lengths_B[0]).all())

    def slots(self, count: int) -> torch.Tensor:
        """`slots_BT` that the next `count` tokens of each row will take."""
        return (self.lengths_B[:, None] + torch.arange(count)).to(self.keys_LBJSK.device)

    def write(self, layer: int, k_BJTK: torch.Tensor, v_BJTK: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep one layer's new keys and values; gives back `k_BJSK, v_BJSK` of all slots up to the furthest written."""
        count, start = k_BJTK.shape[2], self.longest
        end = start + count
        assert end <= self.capacity, f"{end} tokens do not fit a cache of {self.capacity}"
        keys_BJSK, values_BJSK = self.keys_LBJSK[layer], self.values_LBJSK[layer]
        if self.even:
            keys_BJSK[:, :, start:end] = k_BJTK
            values_BJSK[:, :, start:end] = v_BJTK
        else:
            rows_B1, slots_BT = torch.arange(len(self.lengths_B), device=keys_BJSK.device)[:, None], self.slots(count)
            keys_BJSK[rows_B1, :, slots_BT] = k_BJTK.transpose(1, 2).to(keys_BJSK.dtype)
            values_BJSK[rows_B1, :, slots_BT] = v_BJTK.transpose(1, 2).to(values_BJSK.dtype)
        return keys_BJSK[:, :, :end], values_BJSK[:, :, :end]

    def advance(self, counts: int | Sequence[int]) -> None:
        """Count the tokens just written as read: the same number in every row, or each row's own."""
        self.lengths_B += torch.as_tensor(counts)

    def row(self, index: int) -> KVCache:
        """One row as a cache that shares this one's memory: what is written there is written here."""
        view = object.__new__(KVCache)
        view.keys_LBJSK = self.keys_LBJSK[:, index : index + 1]
        view.values_LBJSK = self.values_LBJSK[:, index : index + 1]
        view.lengths_B = self.lengths_B[index : index + 1]
        view.source = {layer: (k[index : index + 1], v[index : index + 1]) for layer, (k, v) in self.source.items()}
        view.source_segments_BS = None if self.source_segments_BS is None else self.source_segments_BS[index : index + 1]
        return view

    def reset(self) -> None:
        """Forget every token read; the memory stays, and so does a source."""
        self.lengths_B.zero_()

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but these; a row may be named twice, and then goes on as two (beam search)."""
        index = torch.as_tensor(rows, dtype=torch.int64)
        there = index.to(self.keys_LBJSK.device)
        self.keys_LBJSK, self.values_LBJSK = self.keys_LBJSK[:, there], self.values_LBJSK[:, there]
        self.source = {layer: (k[there], v[there]) for layer, (k, v) in self.source.items()}
        if self.source_segments_BS is not None:
            self.source_segments_BS = self.source_segments_BS[there]
        self.lengths_B = self.lengths_B[index]
