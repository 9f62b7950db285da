"""What is the loss of a batch? Cross-entropy of tokens, classes, tags or spans, or a squared error: the batch and the head say which.

    loss = Loss(LossConfig(z_loss=1e-4))
    loss(network, batch) / whole_batch.weight

A loss is a weighted *sum*, in nats; the loop divides by the weight of the whole batch, so that its gradient is the same for any
micro-batches. In training the sum also has the terms of the config and those of routers; `network.eval()` leaves them out.

Logits are made for a piece of the positions at a time, and only for positions that are learned where these are few.
Legend: B rows, T positions, D width, V vocabulary, F further targets, N learned positions, P of one piece, C classes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from headwater.model.heads import Vocabulary
from headwater.model.network import Network
from headwater.model.notes import Notes
from headwater.model.products import evened
from headwater.model.recompute import without_trace
from headwater.tokens.batch import Batch
from headwater.training.loss_config import LossConfig

# Fewer learned positions than this share are gathered before the head (a masked-language row has 15 %).
FEW = 0.5
# Logits made at once: 64 MB of fp32. (Half as many took 1.3 % longer for a step of 16 x 256 positions of 4,096 tokens, 2026-11-22.)
AT_ONCE = 1 << 24
# Of these, turned into their gradient at once: 1 MB of fp32.
IN_CACHE = 1 << 18

PLAIN = LossConfig(future=0.0)
TOKENS, CLASSES, SPAN = ("lm", "mlm", "tags"), "classes", "span"


@dataclass(frozen=True)
class Loss:
    """`tell` is given what a training pass noted (how experts were loaded)."""

    config: LossConfig = PLAIN
    tell: Callable[[Notes], None] | None = None

    def __call__(self, network: Network, batch: Batch) -> torch.Tensor:
        kind = network.config.head.kind
        training = network.training
        notes = Notes() if training else None
        if training and batch.own_BT is not None:
            batch = with_own_words(network, batch)
        x_BTD = network.hidden(batch.inputs, source=batch.source, notes=notes)
        terms = self.config if training else PLAIN
        if kind in TOKENS:
            total = _tokens(network, x_BTD, batch, terms)
        elif kind == CLASSES:
            total = _classes(network, x_BTD, batch)
        else:
            assert kind == SPAN, f"a head of kind {kind} has no targets in a batch"
            total = _span(network, x_BTD, batch)
        if notes is not None:
            # A router's loss is a mean over its pass: weighted by the pass's share of the batch, passes sum to one.
            total = total + notes.loss * batch.weight
            if self.tell is not None:
                self.tell(notes)
        return total


_plain = Loss()


def token_loss(network: Network, batch: Batch) -> torch.Tensor:
    """The loss without further terms."""
    return _plain(network, batch)


def mean_loss(network: Network, batches: Iterable[Batch]) -> float:
    """Nats per target over batches, without any terms beside; the network must be in `eval`.

    Where tokens are learned it is theirs alone: what `follows_rate` measures is not in it.
    """
    assert not network.training, "held-out figures are taken in eval"
    if network.config.head.kind in TOKENS:
        batches = [dataclasses.replace(batch, labels=None) for batch in batches]
    with torch.no_grad():
        sums = [(float(_plain(network, batch)), batch.weight) for batch in batches]
    return sum(nats for nats, _ in sums) / sum(weight for _, weight in sums)


def follows_rate(network: Network, batches: Iterable[Batch]) -> float | None:
    """How often it is told rightly whether a row's second piece goes on from the first; None where nobody asks that."""
    head = network.config.head
    if head.kind != "mlm" or not head.next_sentence:
        return None
    assert not network.training, "held-out figures are taken in eval"
    right = rows = 0
    with torch.no_grad():
        for batch in batches:
            assert batch.labels is not None
            said_B = network.follows(network.hidden(batch.inputs)).argmax(dim=-1)
            right, rows = right + int((said_B == batch.labels).sum()), rows + len(batch)
    return right / rows


def _tokens(network: Network, x_BTD: torch.Tensor, batch: Batch, terms: LossConfig) -> torch.Tensor:
    """Of the tokens one ahead (or of tags), further ahead, and whether a sentence follows."""
    total = _at_positions(network, x_BTD, batch.targets_BT, batch.weights_BT, batch.inputs.real_BT, terms)
    head = network.config.head
    if terms.future and batch.ahead_BTF is not None and batch.ahead_weights_BTF is not None:
        further = [
            _of_logits(
                logits_BTV.flatten(0, 1), batch.ahead_BTF[..., place].flatten(), batch.ahead_weights_BTF[..., place].flatten(), terms
            )
            for place, logits_BTV in enumerate(network.future(x_BTD, batch.inputs))
        ]
        total = total + terms.future * torch.stack(further).mean()
    if head.kind == "mlm" and head.next_sentence and batch.labels is not None:
        nats = functional.cross_entropy(network.follows(x_BTD), batch.labels, reduction="sum")
        total = total + batch.label_weight * nats
    return total


def _at_positions(
    network: Network,
    x_BTD: torch.Tensor,
    targets_BT: torch.Tensor,
    weights_BT: torch.Tensor,
    real_BT: torch.Tensor | None,
    terms: LossConfig,
) -> torch.Tensor:
    """Over learned positions; where they are few, the head sees no others."""
    counts = network.config.norm.kind == "batch"  # a BatchNorm in the head counts real tokens, so it must see all of them at once
    learned_BT = weights_BT != 0
    if not counts and int(learned_BT.sum()) < FEW * learned_BT.numel():
        x_ND, targets_N, weights_N, real_N = evened(x_BTD[learned_BT]), targets_BT[learned_BT], weights_BT[learned_BT], None
        below = (0, len(x_ND) - len(targets_N))
        targets_N, weights_N = functional.pad(targets_N, below), functional.pad(weights_N, below)
    else:
        x_ND, targets_N, weights_N = x_BTD.flatten(0, 1), targets_BT.flatten(), weights_BT.flatten()
        real_N = None if real_BT is None else real_BT.flatten()
    size = max(1, len(x_ND) if counts else AT_ONCE // network.config.vocabulary)
    at = _Positions(network, targets_N, weights_N, real_N, terms, size)
    parameters = [parameter for parameter in (*network.output.parameters(), network.embedding.tokens.weight) if parameter.requires_grad]
    if not torch.is_grad_enabled():
        sums = [at.sum_of(at.logits(x_ND[piece], piece)[0], piece) for piece in at.pieces()]
        return torch.stack(sums).sum() if sums else x_ND.new_zeros((), dtype=torch.float32)
    total: torch.Tensor = _InPieces.apply(at, x_ND, *parameters)  # type: ignore[no-untyped-call]
    return total


@dataclass(frozen=True)
class _Positions:
    """What is learned at N positions, `size` of them at once."""

    network: Network
    targets_N: torch.Tensor
    weights_N: torch.Tensor
    real_N: torch.Tensor | None
    terms: LossConfig
    size: int

    def pieces(self) -> Iterator[slice]:
        for start in range(0, len(self.targets_N), self.size):
            yield slice(start, start + self.size)

    def logits(self, x_PD: torch.Tensor, piece: slice) -> torch.Tensor:
        """`logits_1PV`."""
        real_1P = None if self.real_N is None else self.real_N[None, piece]
        return self.network.head(x_PD[None], real_1P).float()

    def products(self, x_PD: torch.Tensor, piece: slice) -> torch.Tensor:
        """`logits_1PV` in the dtype of the head's matrix product, where nothing is done to them after it."""
        head = self.network.output
        if not isinstance(head, Vocabulary) or head.softcap is not None:
            return self.logits(x_PD, piece)
        real_1P = None if self.real_N is None else self.real_N[None, piece]
        return head.products(x_PD[None], self.network.embedding.tokens.weight, real_1P)

    def sum_of(self, logits_PV: torch.Tensor, piece: slice) -> torch.Tensor:
        return _of_logits(logits_PV, self.targets_N[piece], self.weights_N[piece], self.terms)

    def turned_into_gradient(self, logits_PV: torch.Tensor, piece: slice) -> torch.Tensor:
        """The piece's loss; the logits become its gradient by them, in place, a few rows at a time that stay in the processor's cache."""
        few = max(1, IN_CACHE // logits_PV.shape[1])
        nats = []
        for start in range(0, len(logits_PV), few):
            rows_RV = logits_PV[start : start + few]
            fp32_RV = rows_RV.float()
            nats.append(self._rows_turned(fp32_RV, slice(piece.start + start, piece.start + start + len(rows_RV))))
            if fp32_RV is not rows_RV:
                rows_RV.copy_(fp32_RV)
        return torch.stack(nats).sum()

    def _rows_turned(self, logits_RV: torch.Tensor, rows: slice) -> torch.Tensor:
        """With p = softmax, s the smoothing and z the factor of log² Z: p (1 + 2 z log Z) - (1 - s) [target] - s / V, by weight."""
        targets_R1, weights_R1 = self.targets_N[rows, None], self.weights_N[rows, None]
        smoothing, z_loss = self.terms.label_smoothing, self.terms.z_loss
        at_target_R1 = logits_RV.gather(1, targets_R1)
        mean_R1 = logits_RV.mean(dim=1, keepdim=True) if smoothing else at_target_R1
        most_R1 = logits_RV.amax(dim=1, keepdim=True)
        sum_R1 = logits_RV.sub_(most_R1).exp_().sum(dim=1, keepdim=True)
        log_z_R1 = most_R1 + sum_R1.log()
        nats_R1 = log_z_R1 - (1 - smoothing) * at_target_R1 - smoothing * mean_R1
        factor_R1 = weights_R1 / sum_R1
        if z_loss:
            nats_R1 = nats_R1 + z_loss * log_z_R1.square()
            factor_R1 = factor_R1 * (1 + 2 * z_loss * log_z_R1)
        logits_RV.mul_(factor_R1).scatter_add_(1, targets_R1, (smoothing - 1) * weights_R1)
        if smoothing:
            logits_RV.sub_(smoothing / logits_RV.shape[1] * weights_R1)
        return (nats_R1 * weights_R1).sum()


class _InPieces(torch.autograd.Function):
    """The loss over positions, with its gradient taken piece by piece in the forward pass: logits exist once, for one piece, in one buffer.

    Forward + backward of head and loss on one thread, fp32, in ms of processor time against keeping all logits (2026-11-22, a busy
    machine): 2,048 positions of 4,096 tokens 146 : 173, of 32,000 tokens 1,300 : 1,609; 4,096 positions of 8,192 tokens 459 : 648. A
    whole bf16 step of four layers of width 384 with 32,000 tokens took 1.15 s and 889 MB against 1.30 s and 1,322 MB.
    """

    @staticmethod
    def forward(ctx: Any, at: _Positions, x_ND: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        total = x_ND.new_zeros((), dtype=torch.float32)
        grad_ND = torch.empty_like(x_ND)
        grads: list[torch.Tensor | None] = [None] * len(parameters)
        for piece in at.pieces():
            with torch.enable_grad():
                x_PD = x_ND[piece].detach().requires_grad_()
                logits_1PV = at.products(x_PD, piece)
            # Not of a view of them: autograd would make a zeroed copy of a tensor whose view was changed.
            buffer_1PV = logits_1PV.detach()
            total += at.turned_into_gradient(buffer_1PV[0], piece)
            found = torch.autograd.grad(logits_1PV, [x_PD, *parameters], buffer_1PV, allow_unused=True)
            grad_ND[piece] = found[0]
            for place, grad in enumerate(found[1:]):
                sum_so_far = grads[place]
                grads[place] = grad if sum_so_far is None or grad is None else sum_so_far.add_(grad)
        ctx.save_for_backward(grad_ND, *grads)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return None, *(None if grad is None else grad * grads[0] for grad in ctx.saved_tensors)


def _of_logits(logits_NV: torch.Tensor, targets_N: torch.Tensor, weights_N: torch.Tensor, terms: LossConfig) -> torch.Tensor:
    nats_N = functional.cross_entropy(logits_NV.float(), targets_N, reduction="none", label_smoothing=terms.label_smoothing)
    if terms.z_loss:
        nats_N = nats_N + terms.z_loss * torch.logsumexp(logits_NV.float(), dim=-1).square()
    return (nats_N * weights_N).sum()


def _classes(network: Network, x_BTD: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Of whole rows: cross-entropy between classes, or with one class the squared error of a value."""
    assert batch.labels is not None, "a head of classes learns from labels"
    logits_BC = network.head(x_BTD, batch.inputs.real_BT)
    if logits_BC.shape[1] == 1:
        return batch.label_weight * (logits_BC[:, 0] - batch.labels).square().sum()
    return batch.label_weight * functional.cross_entropy(logits_BC, batch.labels, reduction="sum")


def _span(network: Network, x_BTD: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Of an answer's first and last token: the mean of two cross-entropies over the row's real tokens (Devlin et al. 2019, section 4.2)."""
    assert batch.labels is not None, "a span head learns from labels"
    logits_BT2 = network.head(x_BTD)
    if batch.inputs.real_BT is not None:
        logits_BT2 = logits_BT2.masked_fill(~batch.inputs.real_BT[..., None], -math.inf)
    return batch.label_weight * functional.cross_entropy(logits_BT2, batch.labels, reduction="sum") / 2


def with_own_words(network: Network, batch: Batch) -> Batch:
    """The batch with its marked inputs replaced by what the model says there from the given ones: one pass without gradients, the
    likeliest token each (Bengio et al. 2015, adapted to rows read at once: Mihaylova and Martins 2019, section 3.2)."""
    assert batch.own_BT is not None
    with torch.no_grad(), without_trace(network):  # what is only asked counts for no expert and no running mean
        said_BT = network(batch.inputs, source=batch.source).argmax(dim=-1)
    before_BT = functional.pad(said_BT[:, :-1], (1, 0))
    tokens_BT = torch.where(batch.own_BT, before_BT, batch.inputs.tokens_BT)
    return dataclasses.replace(batch, inputs=dataclasses.replace(batch.inputs, tokens_BT=tokens_BT))
