"""What is the network? One config says it whole; nothing here loads torch.

In: the `model:` block of a recipe. Out: `ModelConfig`, its closed-form parameter count, and `build(seed)`, the network itself.
Widths and counts are numbers of features and of parts; `context` is in tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from headwater.core.config import Config

if TYPE_CHECKING:
    from headwater.model.network import Network


class SwiGLU(Config):
    """down(silu(gate x) * up x), Shazeer 2020. Without a width it is 8/3 of the model's, rounded up to a multiple of 64 (Llama)."""

    kind: Literal["swiglu"] = "swiglu"
    width: PositiveInt | None = None

    def width_in(self, model_width: int) -> int:
        return self.width or -(-8 * model_width // (3 * 64)) * 64


class GELU(Config):
    """down(gelu(up x)), Hendrycks and Gimpel 2016, in its tanh form (GPT-2) or exact. Without a width it is 4 times the model's."""

    kind: Literal["gelu"] = "gelu"
    width: PositiveInt | None = None
    approximate: Literal["tanh", "none"] = "tanh"

    def width_in(self, model_width: int) -> int:
        return self.width or 4 * model_width


class Norm(Config):
    """RMSNorm (Zhang and Sennrich 2019) or LayerNorm (Ba et al. 2016), before each branch and before the head."""

    kind: Literal["rms", "layer"] = "rms"
    eps: PositiveFloat = 1e-5


class RoPE(Config):
    """Rotary positions (Su et al. 2021): queries and keys are turned by an angle that grows with their position."""

    kind: Literal["rope"] = "rope"
    base: PositiveFloat = 10_000.0


class Learned(Config):
    """One learned vector a position, added to the token's."""

    kind: Literal["learned"] = "learned"


class NormalInit(Config):
    """Normal weights; those that write into the residual stream are scaled by 1/sqrt(2 layers) (GPT-2, section 2.3)."""

    kind: Literal["normal"] = "normal"
    std: PositiveFloat = 0.02
    residual_scaling: bool = True


FeedForwardConfig = Annotated[SwiGLU | GELU, Field(discriminator="kind")]
PositionsConfig = Annotated[RoPE | Learned, Field(discriminator="kind")]


class ModelConfig(Config):
    """A decoder. The defaults are a Llama-like one of about 10 million parameters."""

    layers: PositiveInt = 6
    width: PositiveInt = 384
    heads: PositiveInt = 6
    kv_heads: PositiveInt | None = None
    head_width: PositiveInt | None = None
    context: PositiveInt = 256
    feed_forward: FeedForwardConfig = SwiGLU()
    norm: Norm = Norm()
    positions: PositionsConfig = RoPE()
    biases: bool = False
    tied: bool = True
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    init: NormalInit = NormalInit()
    vocab_size: PositiveInt | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> ModelConfig:
        if self.head_width is None and self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.width}; change one of them or set head_width")
        if self.heads % self.key_heads:
            raise ValueError(f"{self.key_heads} kv_heads do not divide {self.heads} heads; each must serve equally many")
        if self.positions.kind == "rope" and self.head_features % 2:
            raise ValueError(f"RoPE turns pairs of features, and a head width of {self.head_features} is odd; choose an even one")
        return self

    @property
    def key_heads(self) -> int:
        """Heads of keys and values: fewer than `heads` in grouped-query attention (Ainslie et al. 2023)."""
        return self.kv_heads or self.heads

    @property
    def head_features(self) -> int:
        return self.head_width or self.width // self.heads

    @property
    def feed_forward_width(self) -> int:
        return self.feed_forward.width_in(self.width)

    @property
    def vocabulary(self) -> int:
        assert self.vocab_size is not None, "with_vocabulary(n) comes before what depends on n"
        return self.vocab_size

    def with_vocabulary(self, n: int) -> ModelConfig:
        """The same network over `n` tokens; a recipe leaves that number to its tokenizer."""
        return self.model_copy(update={"vocab_size": n})

    def parameter_count(self) -> int:
        """All trained numbers, a tied table counted once."""
        width, inner = self.width, self.feed_forward_width
        queries, keys = self.heads * self.head_features, self.key_heads * self.head_features
        bias = int(self.biases)
        attention = width * (queries + 2 * keys) + queries * width + bias * (queries + 2 * keys + width)
        rises = 2 if self.feed_forward.kind == "swiglu" else 1
        feed_forward = (rises + 1) * width * inner + bias * (rises * inner + width)
        norm = width * (2 if self.norm.kind == "layer" and self.biases else 1)
        tables = self.vocabulary * width * (1 if self.tied else 2) + (self.context * width if self.positions.kind == "learned" else 0)
        return tables + self.layers * (attention + feed_forward + 2 * norm) + norm

    def build(self, seed: int) -> Network:
        """The network on the CPU in fp32, every tensor drawn from its own stream of `seed`."""
        from headwater.model.init import build

        return build(self, seed)
