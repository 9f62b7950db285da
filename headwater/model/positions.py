"""How does the network know where a token stands?

In: positions_BT (int64; a document's first token is 0). Out: for RoPE a Rotation of queries and keys; for learned positions
vectors to add to the tokens' (a plain embedding, in network.py). Legend: B batch, T time, H heads, K head width, P = K/2 pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Rotation:
    """Angles of one forward pass, shared by all layers; broadcast over heads."""

    cos_BT1K: torch.Tensor
    sin_BT1K: torch.Tensor  # negative in the first half

    @classmethod
    def at(cls, positions_BT: torch.Tensor, head_width: int, base: float) -> Rotation:
        """Pair p turns by position · base^(-2p/K) (Su et al. 2021, equation 15). Angles are fp32: bf16 cannot tell 256 from 257."""
        exponent_P = torch.arange(0, head_width, 2, device=positions_BT.device, dtype=torch.float32) / head_width
        angle_BT1P = (positions_BT.float()[..., None] * (1.0 / base**exponent_P)).unsqueeze(-2)
        cos_BT1P, sin_BT1P = angle_BT1P.cos(), angle_BT1P.sin()
        return cls(torch.cat((cos_BT1P, cos_BT1P), dim=-1), torch.cat((-sin_BT1P, sin_BT1P), dim=-1))

    def apply(self, x_BTHK: torch.Tensor) -> torch.Tensor:
        """Turn each pair (x_p, x_{p+K/2}). Halves, not neighbours, make the pairs: the layout of Hugging Face's Llama checkpoints."""
        cos_BT1K, sin_BT1K = self.cos_BT1K.to(x_BTHK.dtype), self.sin_BT1K.to(x_BTHK.dtype)
        partner_BTHK = x_BTHK.roll(x_BTHK.shape[-1] // 2, dims=-1)
        return torch.addcmul(x_BTHK * cos_BT1K, partner_BTHK, sin_BT1K)
