"""What is the network? One config says it whole; nothing here loads torch.

In: the `model:` block of a recipe. Out: `ModelConfig`, and `build(seed)`, the network itself. Its parts stand in model/parts.py,
how its weights begin in model/init_config.py. Widths and counts are numbers of features and of parts; `context` is in tokens.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from headwater.core.config import Config
from headwater.model.init_config import InitConfig, NormalInit, misfit
from headwater.model.parts import (
    Biases,
    Embedding,
    Everywhere,
    FeedForwardConfig,
    Gated,
    HeadConfig,
    LanguageHead,
    MixerConfig,
    MoE,
    Norm,
    PatternConfig,
    PositionsConfig,
    RoPE,
    SelfAttention,
)

if TYPE_CHECKING:
    from headwater.model.network import Network

Kind = Literal["decoder", "encoder", "encoder-decoder"]


class ModelConfig(Config):
    """One network. The defaults are a Llama-like decoder of about 10 million parameters.

    A decoder predicts what follows (and, with a prefix mask, reads what is given both ways); an encoder reads both ways; an
    encoder–decoder has a stack for each, and the second reads the first by cross-attention.
    """

    kind: Kind = "decoder"
    layers: PositiveInt = 6
    encoder_layers: PositiveInt | None = Field(default=None, description="of an encoder–decoder; as many as `layers` if not given")
    width: PositiveInt = 384
    heads: PositiveInt = 6
    kv_heads: PositiveInt | None = None
    head_width: PositiveInt | None = None
    context: PositiveInt = 256
    mixer: MixerConfig = SelfAttention()
    pattern: tuple[PatternConfig, ...] = Field(default=(Everywhere(),), min_length=1, description="what layers see, in turn")
    qk_norm: bool = Field(default=False, description="queries and keys brought to unit scale, head by head (Henry et al. 2020; Qwen3)")
    attention_scale: PositiveFloat | None = Field(default=None, description="of scores; 1/sqrt(head width) if not given, 1 in T5")
    attention_softcap: PositiveFloat | None = Field(default=None, description="scores are bent below it by tanh (Gemma 2)")
    feed_forward: FeedForwardConfig = Gated()
    norm: Norm = Norm()
    block: Literal["serial", "parallel", "parallel-two-norms", "stacked"] = Field(
        default="serial",
        description="attention then feed-forward; both beside each other after one norm (GPT-J, PaLM) or two (NeoX); without residuals",
    )
    positions: PositionsConfig = RoPE()
    biases: Biases = Biases()
    embedding: Embedding = Embedding()
    head: HeadConfig = LanguageHead()
    tied: bool = True
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0, description="of embeddings and of what a branch adds")
    attention_dropout: float | None = Field(default=None, ge=0.0, lt=1.0, description="of attention weights; like `dropout` if not given")
    feed_forward_dropout: float = Field(default=0.0, ge=0.0, lt=1.0, description="inside the feed-forward part (T5)")
    stochastic_depth: float = Field(default=0.0, ge=0.0, lt=1.0, description="rate at which the last layer is left out, rising from 0")
    init: InitConfig = NormalInit()
    vocab_size: PositiveInt | None = None

    @model_validator(mode="after")
    def _heads_fit(self) -> ModelConfig:
        if self.head_width is None and self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.width}; change one of them or set head_width")
        if self.heads % self.key_heads:
            raise ValueError(f"{self.key_heads} kv_heads do not divide {self.heads} heads; each must serve equally many")
        if self.positions.kind == "rope":
            turned = round(self.head_features * self.positions.share, 9)
            if turned != int(turned) or int(turned) % 2:
                raise ValueError(f"RoPE turns pairs of features, and {turned:g} of a head width of {self.head_features} are no whole pairs")
        for part in self.pattern:
            if part.kind != "all" and part.size > self.context:
                raise ValueError(f"a window of {part.size} is larger than the context of {self.context}; {{kind: all}} says that")
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> ModelConfig:
        if self.norm.kind == "batch" and self.kind != "encoder":
            raise ValueError("BatchNorm takes its statistics over whole rows, so a decoder would see what follows; use rms or layer")
        if self.mixer.kind != "attention":
            if self.kind != "decoder":
                raise ValueError(f"a network of {self.mixer.kind} layers reads one way: its kind is decoder")
            if self.positions.kind not in ("none", "learned", "sinusoidal"):
                raise ValueError(f"{self.positions.kind} positions belong to attention, and these layers have none; use {{kind: none}}")
            if any(part.kind != "all" for part in self.pattern):
                raise ValueError("a pattern of windows belongs to attention, and these layers have none; leave it out")
        if self.encoder_layers is not None and self.kind != "encoder-decoder":
            raise ValueError(f"encoder_layers belongs to an encoder-decoder, and this is a {self.kind}; leave it out")
        if self.block.startswith("parallel") and self.norm.place != "pre":
            raise ValueError(f"a parallel block has its norm before both branches, not {self.norm.place}; say norm.place: pre")
        if self.block != "serial" and self.kind == "encoder-decoder":
            raise ValueError(f"a {self.block} block has no place for cross-attention; use serial ones in an encoder-decoder")
        if self.block == "stacked" and self.norm.place != "pre":
            raise ValueError(f"layers without residuals have their norm before, not {self.norm.place}; say norm.place: pre")
        if self.head.kind == "lm" and self.head.future and self.kind != "decoder":
            raise ValueError(f"blocks for tokens further ahead belong to a decoder, and this is a {self.kind}; leave head.future out")
        if self.norm.alpha is not None and self.norm.place != "deep":
            raise ValueError(f"alpha belongs to DeepNorm's residuals, and norm.place is {self.norm.place}; say norm.place: deep")
        if self.head.kind in ("classes", "embedding") and self.head.pool == "first" and self.kind == "decoder":
            raise ValueError("a decoder's first token has seen only itself; say head.pool: last")
        if self.head.kind != "lm" and self.kind == "encoder-decoder":
            raise ValueError(f"an encoder-decoder answers in words, and its head is {self.head.kind}; use {{kind: lm}}, or an encoder")
        if self.head.kind == "mlm" and self.kind != "encoder":
            raise ValueError(f"a masked-language head needs an encoder, and this is a {self.kind}; use {{kind: lm}}")
        if (said := misfit(self)) is not None:
            raise ValueError(said)
        return self

    @property
    def key_heads(self) -> int:
        """Heads of keys and values: fewer than `heads` in grouped-query attention (Ainslie et al. 2023), one in multi-query."""
        return self.kv_heads or self.heads

    @property
    def head_features(self) -> int:
        return self.head_width or self.width // self.heads

    @property
    def encoder_depth(self) -> int:
        """Layers of an encoder–decoder's encoder."""
        return (self.encoder_layers or self.layers) if self.kind == "encoder-decoder" else 0

    @property
    def table_width(self) -> int:
        """Features of the embedding table."""
        return self.embedding.width or self.width

    @property
    def weight_dropout(self) -> float:
        """Of attention weights."""
        return self.dropout if self.attention_dropout is None else self.attention_dropout

    @property
    def scores_scale(self) -> float:
        """What q kᵀ is multiplied by; under muP 1 over the head width instead of its root."""
        return self.attention_scale or 1 / (self.head_features if self.init.kind == "mup" else math.sqrt(self.head_features))

    @property
    def logits_scale(self) -> float:
        """What logits are multiplied by; under muP they are divided by the growth of the width."""
        scale = self.head.scale if isinstance(self.head, LanguageHead) else None
        given = 1.0 if scale is None else 1 / math.sqrt(self.width) if scale == "width" else scale
        return given * self.init.base_width / self.width if self.init.kind == "mup" else given

    @property
    def vocabulary(self) -> int:
        assert self.vocab_size is not None, "with_vocabulary(n) comes before what depends on n"
        return self.vocab_size

    def feed_forward_in(self, layer: int) -> FeedForwardConfig:
        """The feed-forward part of one layer."""
        part = self.feed_forward
        return (part.dense or part.expert) if isinstance(part, MoE) and not part.in_layer(layer) else part

    def deep_alpha(self, encoder: bool = False) -> float:
        """DeepNorm's residual factor (Wang et al. 2022, table 2: N encoder and M decoder layers)."""
        if self.norm.alpha is not None:
            return self.norm.alpha
        if self.kind != "encoder-decoder":
            return float((2 * self.layers) ** 0.25)
        if encoder:
            return float(0.81 * (self.encoder_depth**4 * self.layers) ** (1 / 16))
        return float((3 * self.layers) ** 0.25)

    def with_vocabulary(self, n: int) -> ModelConfig:
        """The same network over `n` tokens; a recipe leaves that number to its tokenizer."""
        return self.model_copy(update={"vocab_size": n})

    def parameter_count(self) -> int:
        """All trained numbers, a tied table counted once: counted on the network itself, made without memory."""
        from headwater.model.init import shapes

        return sum(math.prod(shape) for shape in shapes(self).values())

    def build(self, seed: int) -> Network:
        """The network on the CPU in fp32, every tensor drawn from its own stream of `seed`."""
        from headwater.model.init import build

        return build(self, seed)
