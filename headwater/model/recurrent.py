"""What does a token gather without attention? A recurrent state, or the last few tokens: layers of older language models.

In: x_BTD and the pass's Frame. Out: y_BTD. Both are causal by their nature. Where the mask keeps documents apart (Frame.segments_BT)
neither state nor window crosses a document's border. With a KVCache an LSTM keeps its state after each new token in the token's
slot, as key and value, and a convolution what it read; the next token starts from the slot before its own.
Legend: B batch, T time, D width, W window of a convolution, G gates, N all tokens, R documents, L places in one,
M those that are no padding.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from headwater.model.attention import Frame
from headwater.model.cache import KVCache
from headwater.model.config import ModelConfig
from headwater.model.norms import as_operand


class LSTM(nn.Module):
    """c = σ(f) c' + σ(i) tanh(g), h = σ(o) tanh(c) with i, f, g, o = W x + U h' + b (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

    Rows of `input` and `state` [4 D, D] and of `bias` [4 D] stand in the order i, f, g, o, as torch has them.
    """

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer, self.width = layer, config.width
        self.input = nn.Parameter(torch.empty(4 * config.width, config.width))
        self.state = nn.Parameter(torch.empty(4 * config.width, config.width))
        self.bias = nn.Parameter(torch.zeros(4 * config.width))

    def forward(self, x_BTD: torch.Tensor, frame: Frame) -> torch.Tensor:
        x_BTD = as_operand(x_BTD)
        if frame.cache is not None:
            return self._step_by_step(x_BTD, frame.segments_BT, frame.cache)
        if frame.segments_BT is not None:
            return self._by_document(x_BTD, frame.segments_BT)
        return self._rows(x_BTD)

    def _rows(self, x_BTD: torch.Tensor) -> torch.Tensor:
        """Whole rows from an empty state, by torch's fused kernel; its second bias is of no use."""
        h_1BD = x_BTD.new_zeros(1, len(x_BTD), self.width)
        weights = [weight.to(x_BTD.dtype) for weight in (self.input, self.state, self.bias, torch.zeros_like(self.bias))]
        return torch.lstm(x_BTD, (h_1BD, h_1BD), weights, True, 1, 0.0, self.training, False, True)[0]

    def _by_document(self, x_BTD: torch.Tensor, segments_BT: torch.Tensor) -> torch.Tensor:
        """Every document as a sequence of its own, those of like length (up to twice another's) together, padded at their ends.

        Torch's own way with sequences of unequal length, a packed batch, is slow to go back through: at 16 rows of 256 tokens of width
        384 in 140 documents forward and backward took 2.45 s, this way 0.32 s, rows as they are 0.29 s (fp32, one thread, 2026-11-22).
        """
        x_ND, device = x_BTD.flatten(0, 1), x_BTD.device
        began_BT = starts(segments_BT)
        began_BT[:, 0] = True
        first_R = began_BT.flatten().nonzero().squeeze(-1)
        length_R = torch.diff(first_R, append=first_R.new_tensor([len(x_ND)]))
        likes = [(length - 1).bit_length() for length in length_R.tolist()]
        like_R = torch.tensor(likes, device=device)
        states, places = [], []
        for like in sorted(set(likes)):
            alike = like_R == like
            order_L = torch.arange(int(length_R[alike].max()), device=device)
            place_RL = first_R[alike, None] + order_L
            real_M = (order_L < length_R[alike, None]).flatten().nonzero().squeeze(-1)
            x_RLD = x_ND.index_select(0, place_RL.flatten().clamp(max=len(x_ND) - 1)).view(*place_RL.shape, -1)
            states.append(self._rows(x_RLD).flatten(0, 1).index_select(0, real_M))
            places.append(place_RL.flatten()[real_M])
        return torch.cat(states).index_select(0, torch.cat(places).argsort()).view(x_BTD.shape)

    def _step_by_step(self, x_BTD: torch.Tensor, segments_BT: torch.Tensor | None, cache: KVCache) -> torch.Tensor:
        """The formula as it stands: the fused kernel gives no c but the last, and a row's last token is known only later."""
        began_BT = None if segments_BT is None or cache.longest else starts(segments_BT)
        h_BD, c_BD = (slots_B1D[:, 0].to(x_BTD.dtype) for slots_B1D in last_slots(cache, self.layer, 1))
        gates_BTG = functional.linear(x_BTD, self.input, self.bias.to(x_BTD.dtype))
        states, cells = [], []
        for place in range(x_BTD.shape[1]):
            if began_BT is not None:
                h_BD, c_BD = (old.masked_fill(began_BT[:, place, None], 0) for old in (h_BD, c_BD))
            i_BD, f_BD, g_BD, o_BD = (gates_BTG[:, place] + functional.linear(h_BD, self.state)).chunk(4, dim=-1)
            c_BD = f_BD.sigmoid() * c_BD + i_BD.sigmoid() * g_BD.tanh()
            h_BD = o_BD.sigmoid() * c_BD.tanh()
            states.append(h_BD)
            cells.append(c_BD)
        h_BTD = torch.stack(states, dim=1)
        cache.write(self.layer, h_BTD[:, None], torch.stack(cells, dim=1)[:, None])
        return h_BTD


class Convolution(nn.Module):
    """(X * W + b) ⊗ σ(X * V + c) over the last `kernel` tokens (Dauphin et al. 2017, equation 1): W is `linear`, V is `gate`.

    Both read a window as one vector, the oldest token first.
    """

    def __init__(self, config: ModelConfig, kernel: int, layer: int) -> None:
        super().__init__()
        self.layer, self.kernel = layer, kernel
        self.linear = nn.Linear(kernel * config.width, config.width)
        self.gate = nn.Linear(kernel * config.width, config.width)

    def forward(self, x_BTD: torch.Tensor, frame: Frame) -> torch.Tensor:
        x_BTD, segments_BT, cache = as_operand(x_BTD), frame.segments_BT, frame.cache
        B, T, _ = x_BTD.shape
        before = self.kernel - 1
        if cache is None:
            old_BWD = x_BTD.new_zeros(B, before, x_BTD.shape[2])
        else:
            old_BWD = last_slots(cache, self.layer, before)[0].to(x_BTD.dtype)
            segments_BT = None if cache.longest else segments_BT
            cache.write(self.layer, x_BTD[:, None], x_BTD[:, None])
        all_BSD = torch.cat([old_BWD, x_BTD], dim=1)
        window = [all_BSD[:, shift : shift + T] for shift in range(self.kernel)]
        if segments_BT is not None:
            all_BS = functional.pad(segments_BT, (before, 0), value=-1)
            window = [piece * (all_BS[:, shift : shift + T] == segments_BT)[..., None] for shift, piece in enumerate(window)]
        x_BTW = torch.cat(window, dim=-1)
        y_BTD: torch.Tensor = self.linear(x_BTW) * self.gate(x_BTW).sigmoid()
        return y_BTD


def starts(segments_BT: torch.Tensor) -> torch.Tensor:
    """Where a document begins that is another than the one before, boolean; not at a row's first token, which has none before it."""
    return functional.pad(segments_BT[:, 1:] != segments_BT[:, :-1], (1, 0), value=False)


def last_slots(cache: KVCache, layer: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values `[B, count, D]` of each row's last `count` tokens, 0 before its first."""
    device = cache.keys_LBJSK.device
    slots_BW = (cache.lengths_B[:, None] - count + torch.arange(count)).to(device)
    rows_B1 = torch.arange(len(slots_BW), device=device)[:, None]
    missing_BW1 = (slots_BW < 0)[..., None]
    slots_BW = slots_BW.clamp(min=0)
    keys_BWD, values_BWD = (whole[layer][rows_B1, 0, slots_BW] for whole in (cache.keys_LBJSK, cache.values_LBJSK))
    return keys_BWD.masked_fill(missing_BW1, 0), values_BWD.masked_fill(missing_BW1, 0)
