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

    cos_BT1P: torch.Tensor
    sin_BT1P: torch.Tensor

    @classmethod
    def at(cls, positions_BT: torch.Tensor, head_width: int, base: float) -> Rotation:
        """Pair p turns by position · base^(-2p/K) (Su et al. 2021, equation 15). Angles are fp32: bf16 cannot tell 256 from 257."""
        exponent_P = torch.arange(0, head_width, 2, device=positions_BT.device, dtype=torch.float32) / head_width
        angle_BT1P = (positions_BT.float()[..., None] * (1.0 / base**exponent_P)).unsqueeze(-2)
        return cls(angle_BT1P.cos(), angle_BT1P.sin())

    def apply(self, x_BTHK: torch.Tensor) -> torch.Tensor:
        """Turn each pair (x_p, x_{p+K/2}). Halves, not neighbours, make the pairs: the layout of Hugging Face's Llama checkpoints."""
        first_BTHP, second_BTHP = x_BTHK.chunk(2, dim=-1)
        cos, sin = self.cos_BT1P.to(x_BTHK.dtype), self.sin_BT1P.to(x_BTHK.dtype)
        return torch.cat((first_BTHP * cos - second_BTHP * sin, second_BTHP * cos + first_BTHP * sin), dim=-1)
