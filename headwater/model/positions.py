"""How does the network know where a token stands?

In: positions_BT (int64; a document's first token is 0). Out: for RoPE a Rotation of queries and keys; for sinusoidal positions
vectors to add to the tokens'. Scores by distance are in model/scores.py, learned vectors in model/embedding.py.
Legend: B batch, T time, H heads, K head width, R ≤ K features that are turned, P = R/2 pairs, D width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from headwater.model.parts import RoPE, Scaling
from headwater.model.products import in_one_pass


@dataclass(frozen=True)
class Rotation:
    """Angles of one forward pass, shared by all layers; broadcast over heads."""

    cos_BT1R: torch.Tensor
    sin_BT1R: torch.Tensor  # negative for the first of each pair
    neighbours: bool

    @classmethod
    def at(cls, positions_BT: torch.Tensor, rope: RoPE, head_width: int) -> Rotation:
        """Angles are fp32: bf16 cannot tell 256 from 257."""
        speed_P, factor = speeds(rope, int(head_width * rope.share), positions_BT.device)
        angle_BT1P = (positions_BT.float()[..., None] * speed_P).unsqueeze(-2)
        cos_BT1P, sin_BT1P = angle_BT1P.cos() * factor, angle_BT1P.sin() * factor
        if rope.pairs == "neighbours":
            return cls(cos_BT1P.repeat_interleave(2, -1), torch.stack((-sin_BT1P, sin_BT1P), -1).flatten(-2), True)
        return cls(torch.cat((cos_BT1P, cos_BT1P), dim=-1), torch.cat((-sin_BT1P, sin_BT1P), dim=-1), False)

    def apply(self, x_BTHK: torch.Tensor) -> torch.Tensor:
        """Turn each pair; features beyond the turned ones stay."""
        if not self.neighbours and x_BTHK.dtype == torch.bfloat16 and in_one_pass(x_BTHK):
            turned_BTHK: torch.Tensor = _Turned.apply(x_BTHK, self.cos_BT1R, self.sin_BT1R)  # type: ignore[no-untyped-call]
            return turned_BTHK
        cos_BT1R, sin_BT1R = self.cos_BT1R.to(x_BTHK.dtype), self.sin_BT1R.to(x_BTHK.dtype)
        turned = cos_BT1R.shape[-1]
        x_BTHR, rest = x_BTHK[..., :turned], x_BTHK[..., turned:]
        partner_BTHR = _swapped(x_BTHR) if self.neighbours else x_BTHR.roll(turned // 2, dims=-1)
        y_BTHR = torch.addcmul(x_BTHR * cos_BT1R, partner_BTHR, sin_BT1R)
        return torch.cat((y_BTHR, rest), dim=-1) if rest.shape[-1] else y_BTHR


class _Turned(torch.autograd.Function):
    """In one pass, with sines in fp32; the gradient is turned back."""

    @staticmethod
    def forward(ctx: Any, x_BTHK: torch.Tensor, cos_BT1R: torch.Tensor, sin_BT1R: torch.Tensor) -> torch.Tensor:
        from headwater.model.passes import rotated

        ctx.save_for_backward(cos_BT1R, sin_BT1R)
        return rotated(x_BTHK, cos_BT1R, sin_BT1R, 1.0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        from headwater.model.passes import rotated

        cos_BT1R, sin_BT1R = ctx.saved_tensors
        return rotated(grads[0], cos_BT1R, sin_BT1R, -1.0), None, None


def _swapped(x_BTHR: torch.Tensor) -> torch.Tensor:
    """Neighbours exchanged, pair by pair."""
    return x_BTHR.view(*x_BTHR.shape[:-1], -1, 2).flip(-1).flatten(-2)


def speeds(rope: RoPE, turned: int, device: torch.device | None = None) -> tuple[torch.Tensor, float]:
    """`speed_P`, radians a position of each pair (Su et al. 2021, equation 15), and the factor that sines and cosines take."""
    base, scaling = rope.base, rope.scaling
    if scaling is not None and scaling.kind == "ntk":
        base *= scaling.factor ** (turned / (turned - 2))
    exponent_P = torch.arange(0, turned, 2, device=device, dtype=torch.float32) / turned
    speed_P = 1.0 / base**exponent_P
    if scaling is None or scaling.kind == "ntk":
        return speed_P, 1.0
    if scaling.kind == "linear":
        return speed_P / scaling.factor, 1.0
    if scaling.kind == "llama3":
        return _llama3(speed_P, scaling), 1.0
    return _yarn(speed_P, scaling, base), 0.1 * math.log(scaling.factor) + 1.0 if scaling.factor > 1 else 1.0


def _llama3(speed_P: torch.Tensor, scaling: Scaling) -> torch.Tensor:
    """Fast pairs stay, slow ones are divided, those between go smoothly from one to the other (Llama 3.1's release)."""
    assert scaling.original_context is not None
    fast, slow = scaling.fast or 4.0, scaling.slow or 1.0
    turns_P = scaling.original_context * speed_P / (2 * math.pi)
    kept_P = ((turns_P - slow) / (fast - slow)).clamp(0, 1)
    return kept_P * speed_P + (1 - kept_P) * speed_P / scaling.factor


def _yarn(speed_P: torch.Tensor, scaling: Scaling, base: float) -> torch.Tensor:
    """Peng et al. 2023, section 3.2, the ramp over pairs as their code has it: from floor to ceiling of the two borders."""
    assert scaling.original_context is not None
    pairs, context = len(speed_P), scaling.original_context

    def pair_with(turns: float) -> float:
        return 2 * pairs * math.log(context / (turns * 2 * math.pi)) / (2 * math.log(base))

    low = max(math.floor(pair_with(scaling.fast or 32.0)), 0)
    high = min(math.ceil(pair_with(scaling.slow or 1.0)), 2 * pairs - 1)
    ramp_P = ((torch.arange(pairs, device=speed_P.device, dtype=torch.float32) - low) / max(high - low, 0.001)).clamp(0, 1)
    return speed_P / scaling.factor * ramp_P + speed_P * (1 - ramp_P)


def sinusoid(positions_BT: torch.Tensor, width: int) -> torch.Tensor:
    """`x_BTD`: sin in the even features, cos in the odd ones, of position / 10000^(2i/D) (Vaswani et al. 2017, section 3.5)."""
    exponent_P = torch.arange(0, width, 2, device=positions_BT.device, dtype=torch.float32) / width
    angle_BTP = positions_BT.float()[..., None] / 10_000.0**exponent_P
    return torch.stack((angle_BTP.sin(), angle_BTP.cos()), dim=-1).flatten(-2)[..., :width]
