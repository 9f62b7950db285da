"""What does the loss count beside −log p(target)? Terms of the papers, each off unless asked for."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat

from headwater.core.config import Config


class LossConfig(Config):
    """Terms that shape training; held-out figures never have them."""

    z_loss: NonNegativeFloat = Field(default=0.0, description="factor of log² Z, which keeps logits near 0 (PaLM, section 5: 1e-4)")
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="share of each target spread over the whole vocabulary (Vaswani et al. 2017, 5.4: 0.1)"
    )
    future: NonNegativeFloat = Field(
        default=1.0, description="factor of the mean of the losses of tokens further ahead (DeepSeek-V3, equation 25: 0.3, later 0.1)"
    )
