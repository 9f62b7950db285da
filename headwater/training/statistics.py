"""What happens inside the network in one step? Norms of gradients, weights and updates by part, and what its layers put out.

    look = Look(network)                    after the gradient was made, before it is cut
    …                                       the optimizer's step
    row = {"parts": look.parts(network), "activations": activations(network, batch, "bf16")}

In: the network around an update; a few rows of the step's batch. Out: plain numbers for journal/norms.jsonl:

    parts         {"blocks.3.attention": {"gradient": 0.11, "weight": 21.7, "update": 0.02}, …}; the ratio of update to weight is
                  healthy around 1e-3 and is what a rate that is too high shows first
    activations   {"blocks.3": {"rms": 1.9, "most": 14.2, "zeros": 0.51, "dead": 0.0, "logit": 7.3}, …}: of the stream after the block its
                  root mean square and largest value; of the units inside a plain or gated feed-forward part the share of exact zeros and of
                  units that are zero at every position; the largest attention score (those of 64 queries of one row are looked at)

The activations are those of a pass of its own, without gradient or dropout, over few rows: the training pass itself is not touched, and
takes the same kernels, compiled or not, as if nobody looked. Nothing is drawn, no hook stays.
Legend: B batch, T time, S keys, F feed-forward width, H heads, J heads of keys, G = H/J, K head width, Q queries looked at.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn

from headwater.model.attention import Projected
from headwater.model.block import Block
from headwater.model.feed_forward import GatedUnit, PlainUnit
from headwater.model.kernels import Lowered
from headwater.model.network import Network
from headwater.tokens.batch import Batch
from headwater.training.precision import Precision, autocast

ROWS = 4  # of the batch, for activations
QUERIES = 64  # of one row, for attention scores

Figures = dict[str, dict[str, float | None]]


class Look:
    """The gradient of a step by part, and a copy of the weights, from which the update is told."""

    def __init__(self, network: nn.Module) -> None:
        self._gradients: dict[str, list[torch.Tensor]] = {}
        self._before: dict[str, torch.Tensor] = {}
        for name, parameter in network.named_parameters():
            if parameter.grad is not None:
                self._gradients.setdefault(part_of(name), []).append(parameter.grad)
                self._before[name] = parameter.detach().clone()  # of a sharded network each process's own part
        self._norms = {part: _norm(tensors) for part, tensors in self._gradients.items()}
        self._gradients.clear()  # they may be cut in place from here on

    def parts(self, network: nn.Module) -> Figures:
        """Call it after the step: an update that was refused is 0."""
        weights: dict[str, list[torch.Tensor]] = {}
        updates: dict[str, list[torch.Tensor]] = {}
        for name, parameter in network.named_parameters():
            if name in self._before:
                now = parameter.detach()
                weights.setdefault(part_of(name), []).append(now)
                updates.setdefault(part_of(name), []).append(self._before.pop(name).sub_(now))
        return {
            part: {"gradient": norm, "weight": _norm(weights[part]), "update": _norm(updates[part])} for part, norm in self._norms.items()
        }


def part_of(name: str) -> str:
    """`stack.blocks.3.attention.query.weight` → `blocks.3.attention`; `output.weight` → `head`."""
    words = [word for word in name.split(".") if not word.startswith("_")]  # wrappers put theirs in between
    if "blocks" in words[:-2]:
        at = words.index("blocks")
        inside = next((part for part in ("attention", "cross", "feed_forward") if words[at + 2].startswith(part)), words[at + 2])
        return ".".join([*(["encoder"] if words[0] == "encoder" else []), "blocks", words[at + 1], inside])
    if words[0] == "ahead" and len(words) > 2:
        return f"ahead.{words[1]}"
    return {"output": "head", "stack": "norms", "encoder": "norms"}.get(words[0], words[0])


def activations(network: Network, batch: Batch, precision: Precision) -> Figures:
    """What the layers put out for the first rows of a batch; blocks are named as in `part_of`."""
    few = next(batch.micro(ROWS)).to(network.device)
    was_training = network.training
    found: Figures = {}
    network.eval()
    try:
        with torch.no_grad(), autocast(precision, network.device), _eagerly(), _watched(network, found):
            network.hidden(few.inputs, source=few.source)
    finally:
        network.train(was_training)
    return found


def _eagerly() -> contextlib.AbstractContextManager[Any]:
    """Hooks are not heard inside compiled code; what is not compiled need not know the compiler."""
    if "torch._dynamo" not in sys.modules:
        return contextlib.nullcontext()
    return torch.compiler.set_stance("force_eager")  # type: ignore[no-any-return]


@contextlib.contextmanager
def _watched(network: Network, found: Figures) -> Iterator[None]:
    """While it holds, each block writes its figures into `found`."""
    with contextlib.ExitStack() as hooks:
        for name, block in _blocks(network):
            figures = found.setdefault(name, {})
            hooks.callback(block.register_forward_hook(_of_stream(figures)).remove)
            if isinstance(block.feed_forward, PlainUnit | GatedUnit):
                hooks.callback(block.feed_forward.down.register_forward_pre_hook(_of_units(figures)).remove)
            if isinstance(block.attention, Projected):
                hooks.callback(_instead(block.attention, _of_scores(block.attention, figures)))
        yield


def _instead(attention: Projected, mixed: Callable[..., torch.Tensor]) -> Callable[[], None]:
    """Let this one layer gather by another function; gives back what undoes that, where somebody else had put one there too."""
    own = vars(attention).get("mixed")
    attention.mixed = mixed  # type: ignore[method-assign]

    def back() -> None:
        if own is None:
            del attention.mixed
        else:
            attention.mixed = own  # type: ignore[method-assign]

    return back


def _blocks(network: Network) -> Iterator[tuple[str, Block]]:
    for above, stack in (("encoder.", network.encoder), ("", network.stack)):
        for layer, block in enumerate(stack.blocks if stack is not None else ()):
            assert isinstance(block, Block)
            yield f"{above}blocks.{layer}", block


def _of_stream(figures: dict[str, float | None]) -> Callable[..., None]:
    def hear(_module: nn.Module, _given: Any, x_BTD: torch.Tensor) -> None:
        figures["rms"] = _number(x_BTD.float().square().mean().sqrt())
        figures["most"] = _number(x_BTD.abs().amax())

    return hear


def _of_units(figures: dict[str, float | None]) -> Callable[..., None]:
    def hear(_module: nn.Module, given: Any) -> None:
        zero_BTF = given[0] == 0
        figures["zeros"] = _number(zero_BTF.float().mean())
        figures["dead"] = _number(zero_BTF.flatten(0, -2).all(dim=0).float().mean())

    return hear


def _of_scores(attention: Projected, figures: dict[str, float | None]) -> Callable[..., torch.Tensor]:
    plain = attention.mixed

    def hear(q_BHTK: torch.Tensor, k_BJSK: torch.Tensor, v_BJSK: torch.Tensor, mask: Lowered) -> torch.Tensor:
        figures["logit"] = _number(largest_score(q_BHTK[:1], k_BJSK[:1], mask, attention.scores.scale))
        return plain(q_BHTK, k_BJSK, v_BJSK, mask)

    return hear


def largest_score(q_1HTK: torch.Tensor, k_1JSK: torch.Tensor, mask: Lowered, scale: float) -> torch.Tensor:
    """The largest of the scores that some evenly spaced queries of a row give to keys they may see, before any soft cap."""
    T, S = q_1HTK.shape[2], k_1JSK.shape[2]
    at_Q = torch.linspace(0, T - 1, min(T, QUERIES), device=q_1HTK.device).round().long()
    keys_HSK = k_1JSK[0].float().repeat_interleave(q_1HTK.shape[1] // k_1JSK.shape[1], dim=0)
    scores_HQS = q_1HTK[0, :, at_Q].float() @ keys_HSK.transpose(1, 2) * scale
    if mask.bias_BHTS is not None:
        scores_HQS = scores_HQS + mask.bias_BHTS[0][:, at_Q]
    if mask.allowed_B1TS is not None:
        scores_HQS = scores_HQS.masked_fill(~mask.allowed_B1TS[0][:, at_Q], -math.inf)
    if mask.causal:
        scores_HQS = scores_HQS.masked_fill(torch.arange(S, device=at_Q.device) > at_Q[:, None], -math.inf)
    return scores_HQS.amax()


def _norm(tensors: Iterable[torch.Tensor]) -> float | None:
    return _number(torch.linalg.vector_norm(torch.stack([_whole(torch.linalg.vector_norm(tensor.float())) for tensor in tensors])))


def _whole(norm: torch.Tensor) -> torch.Tensor:
    """The norm over all processes that hold a part of a tensor."""
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm


def _number(value: torch.Tensor) -> float | None:
    """Six digits tell enough; what is no number is null."""
    number = float(value)
    return float(f"{number:.6g}") if math.isfinite(number) else None
