"""What does a forward pass have to tell beside its result? Losses of routers, and how the experts were loaded.

In: whatever a part notes. Out: their sum, for the loss; figures, for telemetry. Whoever wants them hands in a Notes; without one
a part notes nothing. Legend: E experts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch


@dataclass
class Notes:
    """`losses` are weighted already and count once a pass; `loads` are shares of the tokens' choices by layer, `[E]` each."""

    losses: list[torch.Tensor] = field(default_factory=list)
    loads: dict[str, torch.Tensor] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def loss(self) -> torch.Tensor | float:
        return torch.stack(self.losses).sum() if self.losses else 0.0
