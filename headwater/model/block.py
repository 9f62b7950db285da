"""How do the branches of a layer add to the residual stream? One block, wired as the config says.

In and out: x_BTD, the stream; a Frame from the stack. With n a norm, a what is gathered, f the feed-forward part:

    serial, pre        h = x + a(n(x)),       y = h + f(n'(h))              GPT-2, Llama
    serial, post       h = n(x + a(x)),       y = n'(h + f(h))              the Transformer, BERT
    serial, sandwich   h = x + m(a(n(x))),    y = h + m'(f(n'(h)))          CogView, Gemma 2
    serial, deep       h = n(alpha x + a(x)), y = n'(alpha h + f(h))        DeepNet, GLM-130B
    parallel           y = x + a(n(x)) + f(n(x))                            GPT-J, PaLM; with a second norm NeoX
    stacked            h = a(n(x)),           y = f(n'(h))                  without residuals: plain LSTMs

Legend: B batch, T time, D width.
"""

from __future__ import annotations

import torch
from torch import nn

from headwater.model.attention import Attention, CrossAttention, Frame
from headwater.model.config import ModelConfig
from headwater.model.feed_forward import build_feed_forward
from headwater.model.norms import as_operand, build_norm, joined, parted


class Block(nn.Module):
    def __init__(self, config: ModelConfig, layer: int, *, encoder: bool = False) -> None:
        super().__init__()
        self.place, self.wiring = config.norm.place, config.block
        self.alpha = config.deep_alpha(encoder) if self.place == "deep" else 1.0
        self.attention_norm, self.attention = build_norm(config), build_mixer(config, layer, encoder=encoder)
        crosses = config.kind == "encoder-decoder" and not encoder
        self.cross_norm = build_norm(config) if crosses else None
        self.cross = CrossAttention(config, layer) if crosses else None
        self.feed_forward = build_feed_forward(config, layer, encoder=encoder)
        self.feed_forward_norm = build_norm(config) if self.feed_forward is not None and self.wiring != "parallel" else None
        sandwich = self.place == "sandwich"
        self.attention_out_norm = build_norm(config) if sandwich else None
        self.cross_out_norm = build_norm(config) if sandwich and crosses else None
        self.feed_forward_out_norm = build_norm(config) if sandwich and self.feed_forward is not None else None
        self.dropout = nn.Dropout(config.dropout)
        depth = config.encoder_depth if encoder and config.kind == "encoder-decoder" else config.layers
        self.left_out = config.stochastic_depth * (layer + 1) / depth

    def forward(self, x_BTD: torch.Tensor, frame: Frame) -> torch.Tensor:
        if self.wiring in ("parallel", "parallel-two-norms"):
            return self._parallel(x_BTD, frame)
        if self.wiring == "stacked":
            h_BTD: torch.Tensor = self.dropout(self.attention(self._before(self.attention_norm, x_BTD, frame)[0], frame)).to(x_BTD.dtype)
            if self.feed_forward is None:
                return h_BTD
            fed_BTD: torch.Tensor = self.dropout(self._fed(self._before(self.feed_forward_norm, h_BTD, frame)[0], frame)).to(x_BTD.dtype)
            return fed_BTD
        norm: nn.Module | None = self.attention_norm
        n_BTD, x_BTD = self._before(norm, x_BTD, frame)
        x_BTD = self._joined(x_BTD, self.attention(n_BTD, frame), norm, self.attention_out_norm, frame)
        if self.cross is not None:
            norm = self.cross_norm
            n_BTD, x_BTD = self._before(norm, x_BTD, frame)
            x_BTD = self._joined(x_BTD, self.cross(n_BTD, frame), norm, self.cross_out_norm, frame)
        if self.feed_forward is None:
            return x_BTD
        norm = self.feed_forward_norm
        n_BTD, x_BTD = self._before(norm, x_BTD, frame)
        return self._joined(x_BTD, self._fed(n_BTD, frame), norm, self.feed_forward_out_norm, frame)

    def _parallel(self, x_BTD: torch.Tensor, frame: Frame) -> torch.Tensor:
        n_BTD, x_BTD = parted(self.attention_norm, x_BTD, frame.real_BT)
        branch_BTD = self.attention(n_BTD, frame)
        if self.feed_forward is not None:
            if self.feed_forward_norm is not None:
                n_BTD, x_BTD = parted(self.feed_forward_norm, x_BTD, frame.real_BT)
            branch_BTD = branch_BTD + self._fed(n_BTD, frame)
        return joined(x_BTD, self._dropped(branch_BTD))

    def _fed(self, x_BTD: torch.Tensor, frame: Frame) -> torch.Tensor:
        assert self.feed_forward is not None
        y_BTD: torch.Tensor = self.feed_forward(x_BTD, frame.real_BT, frame.notes)
        return y_BTD

    def _before(self, norm: nn.Module | None, x_BTD: torch.Tensor, frame: Frame) -> tuple[torch.Tensor, torch.Tensor]:
        """What a branch reads: the stream after its norm, or as it is where the norm comes after the sum. And the stream to add it to."""
        if self.place in ("post", "deep"):
            return as_operand(x_BTD), x_BTD
        assert norm is not None
        return parted(norm, x_BTD, frame.real_BT)

    def _joined(
        self, x_BTD: torch.Tensor, branch_BTD: torch.Tensor, norm: nn.Module | None, out_norm: nn.Module | None, frame: Frame
    ) -> torch.Tensor:
        """The stream with a branch added."""
        if out_norm is not None:
            branch_BTD = out_norm(branch_BTD.to(x_BTD.dtype), frame.real_BT)
        branch_BTD = self._dropped(branch_BTD)
        if self.place in ("pre", "sandwich"):
            return joined(x_BTD, branch_BTD)
        sum_BTD = torch.add(branch_BTD, x_BTD, alpha=self.alpha) if self.place == "deep" else joined(x_BTD, branch_BTD)
        return self._normed(norm, sum_BTD, frame)

    def _dropped(self, branch_BTD: torch.Tensor) -> torch.Tensor:
        """Dropout, and stochastic depth: in a share of rows the branch is left out whole (Huang et al. 2016)."""
        dropped_BTD: torch.Tensor = self.dropout(branch_BTD)
        if not self.left_out or not self.training:
            return dropped_BTD
        kept_B11 = torch.rand(len(branch_BTD), 1, 1, device=branch_BTD.device) >= self.left_out
        return dropped_BTD * kept_B11 / (1 - self.left_out)

    @staticmethod
    def _normed(norm: nn.Module | None, x_BTD: torch.Tensor, frame: Frame) -> torch.Tensor:
        assert norm is not None
        normed_BTD: torch.Tensor = norm(x_BTD, frame.real_BT)
        return normed_BTD


def build_mixer(config: ModelConfig, layer: int, *, encoder: bool) -> nn.Module:
    """What gathers in a layer: attention, an LSTM or a convolution."""
    if config.mixer.kind == "attention":
        return Attention(config, layer, encoder=encoder)
    from headwater.model.recurrent import LSTM, Convolution

    return LSTM(config, layer) if config.mixer.kind == "lstm" else Convolution(config, config.mixer.kernel, layer)
