"""Which experts does a token go to, and what do they make of it? A mixture of experts in place of one feed-forward part.

In: x_BTD, which tokens are real, and Notes for what the router has to tell. Out: y_BTD. A router scores every expert for every token;
each token goes to its best `top_k`, and what those say is summed by their scores. Each pair of a token and an expert that it chose is
one row of work: the rows are sorted by expert once, and each expert multiplies its own contiguous rows.

    scores     softmax over all experts (Shazeer et al. 2017; Switch; Mixtral), or each one's sigmoid (DeepSeek-V3, equation 15)
    room       a training pass may hold an expert to ceil(capacity_factor · top_k · tokens / experts) rows. First choices come before
               second ones, and each in order of position (GShard, Lepikhin et al. 2020, algorithm 1); a token that finds no room
               passes by on the residual. Reading without training drops nothing: what is said of a text then does not depend on
               its neighbours in the batch
    balance    a loss (Switch, equation 4), or a bias on the choice alone that rises for idle experts (Wang et al. 2024): see `rebalance`

Padding is not routed and counted nowhere. Routers compute in fp32 whatever the rest does (Switch, section 2.4).
Legend: B batch, T time, D width, N real tokens, E experts, C choices of a token, P pairs of token and expert, R rows of an expert
with what evens them, F expert's width.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from headwater.model.config import ModelConfig
from headwater.model.feed_forward import activation, build_dense, gated
from headwater.model.notes import Notes
from headwater.model.parts import Gated, MoE
from headwater.model.products import evened, linear, products


class Experts(nn.Module):
    """Matrices of all experts stand in one tensor each: `gate` and `up` [E, F, D], `down` [E, D, F]."""

    def __init__(self, config: ModelConfig, part: MoE, name: str) -> None:
        super().__init__()
        E, D, F = part.experts, config.width, part.expert.width_in(config.width)
        self.part, self.name = part, name
        self.router = nn.Linear(D, E, bias=False)
        gated, biases = isinstance(part.expert, Gated), config.biases.feed_forward
        self.gate = nn.Parameter(torch.empty(E, F, D)) if gated else None
        self.up = nn.Parameter(torch.empty(E, F, D))
        self.down = nn.Parameter(torch.empty(E, D, F))
        self.gate_bias = nn.Parameter(torch.zeros(E, F)) if gated and biases else None
        self.up_bias = nn.Parameter(torch.zeros(E, F)) if biases else None
        self.down_bias = nn.Parameter(torch.zeros(E, D)) if biases else None
        self.shared = build_dense(config, part.expert, part.shared * F) if part.shared else None
        self.f, self.dropout = activation(part.expert), nn.Dropout(config.feed_forward_dropout)
        self.balance: torch.Tensor | None
        self.register_buffer("balance", torch.zeros(E) if part.balance_rate else None)
        self.chosen_E: torch.Tensor | None = None  # what training passes have counted since the last `rebalance`

    def forward(self, x_BTD: torch.Tensor, real_BT: torch.Tensor | None = None, notes: Notes | None = None) -> torch.Tensor:
        x_ND = x_BTD.flatten(0, -2)
        places_N = None if real_BT is None or bool(real_BT.all()) else real_BT.flatten().nonzero().squeeze(-1)
        if places_N is not None:
            x_ND = x_ND.index_select(0, places_N)
        weights_NC, choice_NC, chosen_E = self._route(x_ND, notes)
        y_ND = self._routed(x_ND, weights_NC, choice_NC, chosen_E, notes)
        if places_N is not None:
            y_ND = y_ND.new_zeros(x_BTD.shape[:-1].numel(), y_ND.shape[-1]).index_copy(0, places_N, y_ND)
        y_BTD = y_ND.view(x_BTD.shape).to(x_BTD.dtype)
        return y_BTD if self.shared is None else y_BTD + self.shared(x_BTD)

    def _route(self, x_ND: torch.Tensor, notes: Notes | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """By how much each token's choices count (fp32), which experts they are, best first, and how often each was chosen."""
        part = self.part
        with torch.autocast(x_ND.device.type, enabled=False):
            logits_NE = functional.linear(x_ND.float(), self.router.weight.float())
        scores_NE = logits_NE.softmax(dim=-1) if part.scores == "softmax" else logits_NE.sigmoid()
        preferred_NE = scores_NE.detach() if self.balance is None else scores_NE.detach() + self.balance.float()
        choice_NC = preferred_NE.topk(part.top_k, dim=-1).indices
        weights_NC = scores_NE.gather(-1, choice_NC)
        if part.renormalise:
            weights_NC = weights_NC / weights_NC.sum(dim=-1, keepdim=True).clamp(min=1e-20)
        chosen_E = torch.bincount(choice_NC.flatten(), minlength=part.experts)
        if self.training and self.balance is not None:
            self.chosen_E = chosen_E if self.chosen_E is None else self.chosen_E + chosen_E
        if notes is not None:
            load_E = chosen_E / chosen_E.sum().clamp(min=1)
            notes.loads[self.name] = load_E
            if self.training:
                notes.losses += router_losses(part, logits_NE, scores_NE, load_E)
        return weights_NC * part.scale, choice_NC, chosen_E

    def _routed(
        self, x_ND: torch.Tensor, weights_NC: torch.Tensor, choice_NC: torch.Tensor, chosen_E: torch.Tensor, notes: Notes | None
    ) -> torch.Tensor:
        """`y_ND`: what each token's experts say, by their weights."""
        (N, C), E = choice_NC.shape, self.part.experts
        expert_P, pair_P = choice_NC.T.flatten().sort(stable=True)  # by expert, then first choices first, then by position
        rows_E = chosen_E
        if self.training and self.part.capacity_factor is not None:
            room = math.ceil(self.part.capacity_factor * C * N / E)
            place_P = torch.arange(N * C, device=pair_P.device) - (chosen_E.cumsum(0) - chosen_E)[expert_P]
            pair_P, rows_E = pair_P[place_P < room], chosen_E.clamp(max=room)
            if notes is not None:
                notes.figures[f"dropped in {self.name}"] = 1 - len(pair_P) / max(1, N * C)
        token_P = pair_P % max(1, N)
        y_PD = self._work(x_ND.index_select(0, token_P), rows_E.tolist())
        y_ND: torch.Tensor = _Summed.apply(y_PD, weights_NC.T.flatten().index_select(0, pair_P), token_P, N)  # type: ignore[no-untyped-call]
        return y_ND

    def _work(self, x_PD: torch.Tensor, rows: list[int]) -> torch.Tensor:
        """Rows sorted by expert, `rows` of each, through their experts.

        One product an expert: torch's grouped_mm takes as long on a CPU (117 against 122 ms in fp32, 52 against 50 in bf16, forward and
        backward of 8 swiglu experts of 384 x 512 on 4,096 rows, one thread, 2026-11-22). `unbind` hands out all experts' slices
        at once, so that their gradients are put together once.
        """
        nothing = [None] * self.part.experts
        gates = nothing if self.gate is None else self.gate.unbind()
        gate_biases = nothing if self.gate_bias is None else self.gate_bias.unbind()
        up_biases = nothing if self.up_bias is None else self.up_bias.unbind()
        down_biases = nothing if self.down_bias is None else self.down_bias.unbind()
        experts = zip(gates, gate_biases, self.up.unbind(), up_biases, self.down.unbind(), down_biases, strict=True)
        pieces = []
        for piece_PD, (gate_FD, gate_bias_F, up_FD, up_bias_F, down_DF, down_bias_D) in zip(torch.split(x_PD, rows), experts, strict=True):
            if not len(piece_PD):
                continue
            x_RD = evened(piece_PD)
            if gate_FD is None:
                h_RF = self.f(linear(x_RD, up_FD, up_bias_F))
            else:
                h_RF = gated(self.f, *products(x_RD, (gate_FD, gate_bias_F), (up_FD, up_bias_F)))
            pieces.append(linear(self.dropout(h_RF), down_DF, down_bias_D)[: len(piece_PD)])
        return torch.cat(pieces) if pieces else x_PD


class _Summed(torch.autograd.Function):
    """The weighted sum of each token's rows, in the order in which they stand.

    One pass over the rows instead of three: forward 0.9 ms against 8.1 for multiply and index_add (bf16, 8,192 rows of 384 for 4,096
    tokens, one thread, 2026-11-22).
    """

    @staticmethod
    def forward(ctx: Any, y_PD: torch.Tensor, weight_P: torch.Tensor, token_P: torch.Tensor, tokens: int) -> torch.Tensor:
        ctx.save_for_backward(y_PD, weight_P, token_P)
        by_token_P = token_P.argsort(stable=True)
        rows_N = torch.bincount(token_P, minlength=tokens)
        weight_P = weight_P.index_select(0, by_token_P).to(y_PD.dtype)
        return functional.embedding_bag(by_token_P, y_PD, rows_N.cumsum(0) - rows_N, mode="sum", per_sample_weights=weight_P)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        y_PD, weight_P, token_P = ctx.saved_tensors
        grad_PD = grads[0].index_select(0, token_P)
        grad_weight_P = (grad_PD * y_PD).sum(dim=-1, dtype=weight_P.dtype)
        return grad_PD.mul_(weight_P[:, None].to(grad_PD.dtype)), grad_weight_P, None, None


def router_losses(part: MoE, logits_NE: torch.Tensor, scores_NE: torch.Tensor, load_E: torch.Tensor) -> list[torch.Tensor]:
    """The layer's balance loss and z-loss, weighted; a model's is their sum over layers.

    balance = E · Σ_e load_e · mean score_e (Switch, equation 4), 1 where tokens are spread evenly; `load_e` is an expert's share of
    all choices. transformers' Mixtral counts choices for each token instead (top_k where spread evenly) and takes loads and scores
    over all layers together. Sigmoid scores are first made to sum to 1 (DeepSeek-V3, equation 19).
    z = mean (log Σ_e exp logit_e)² (ST-MoE, equation 5).
    """
    losses: list[torch.Tensor] = []
    if not len(logits_NE):
        return losses
    if part.balance_loss:
        mean_E = (scores_NE if part.scores == "softmax" else scores_NE / scores_NE.sum(dim=-1, keepdim=True)).mean(dim=0)
        losses.append(part.balance_loss * part.experts * (load_E * mean_E).sum())
    if part.router_z_loss:
        losses.append(part.router_z_loss * logits_NE.logsumexp(dim=-1).square().mean())
    return losses


@torch.no_grad()
def rebalance(network: nn.Module, *, applied: bool = True) -> None:
    """After a step: the bias of each expert rises by `balance_rate` where it was chosen less than its fair share, and falls where more.

    Loss-free balancing (Wang et al. 2024, algorithm 1). All passes of the step count as one, whatever its micro-batches; the next
    step's choices are the first that know. A step that was not applied is forgotten.
    """
    for part in network.modules():
        if isinstance(part, Experts) and part.balance is not None and part.chosen_E is not None:
            if applied:
                fair = part.chosen_E.sum() / part.part.experts
                part.balance.add_((fair - part.chosen_E).sign(), alpha=part.part.balance_rate)
            part.chosen_E = None
