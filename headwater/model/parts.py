"""Which parts may a network be made of? One config for each, by kind; nothing here loads torch.

In: sub-blocks of a recipe's `model:`. Out: frozen configs that model/config.py puts together and the modules of this room read.
Widths are numbers of features, counts numbers of parts, `size` and `stride` tokens.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from headwater.core.config import Config
from headwater.tokens.masks import Mask, full, strided, window

# --- feed-forward ---


class Plain(Config):
    """down(f(up x)) without a gate: ReLU (Vaswani et al. 2017), GELU (Hendrycks and Gimpel 2016) or ReLU² (So et al. 2021).

    Without a width it is 4 times the model's.
    """

    kind: Literal["relu", "gelu", "relu2"] = "gelu"
    width: PositiveInt | None = None
    approximate: Literal["tanh", "none"] = Field(default="tanh", description="GELU's tanh form (GPT-2) or the exact one (BERT)")

    def width_in(self, model_width: int) -> int:
        return self.width or 4 * model_width


class Gated(Config):
    """down(f(gate x) * up x) (Shazeer 2020): f is SiLU (swiglu), GELU (geglu), ReLU (reglu) or sigmoid (glu).

    Without a width it is 8/3 of the model's, rounded up to a multiple of 64 (Llama).
    """

    kind: Literal["swiglu", "geglu", "reglu", "glu"] = "swiglu"
    width: PositiveInt | None = None
    approximate: Literal["tanh", "none"] = Field(default="tanh", description="GELU's tanh form (T5 v1.1) or the exact one")

    def width_in(self, model_width: int) -> int:
        return self.width or -(-8 * model_width // (3 * 64)) * 64


class Absent(Config):
    """No feed-forward part: a layer that only gathers (an LSTM, a convolution)."""

    kind: Literal["none"] = "none"


ExpertConfig = Annotated[Plain | Gated, Field(discriminator="kind")]


class MoE(Config):
    """Experts in place of one feed-forward part; a router sends each token to `top_k` of them.

    GShard and GLaM (every second layer, top-2, capacity), Switch (top-1), Mixtral (dropless), DeepSeekMoE (shared experts, first
    layers dense), DeepSeek-V3 (sigmoid scores, balancing by a bias instead of a loss).
    """

    kind: Literal["moe"] = "moe"
    experts: PositiveInt = 8
    top_k: PositiveInt = 2
    expert: ExpertConfig = Gated()
    shared: int = Field(default=0, ge=0, description="experts that every token goes through, made as one that is so many times wider")
    dense: ExpertConfig | None = Field(default=None, description="the part of layers without experts; like an expert if not given")
    every: PositiveInt = Field(default=1, description="experts stand in every such layer, counted from the last of each group")
    first_dense: int = Field(default=0, ge=0, description="so many first layers have none")
    scores: Literal["softmax", "sigmoid"] = "softmax"
    renormalise: bool = Field(default=True, description="whether the chosen experts' scores are made to sum to 1")
    scale: PositiveFloat = Field(default=1.0, description="what the routed sum is multiplied by (DeepSeek-V2, equation 20)")
    capacity_factor: PositiveFloat | None = Field(default=None, description="an expert's room, in fair shares; none: it drops no token")
    balance_loss: NonNegativeFloat = Field(default=0.01, description="Switch, equation 4")
    router_z_loss: NonNegativeFloat = Field(default=0.001, description="ST-MoE (Zoph et al. 2022), equation 5")
    balance_rate: NonNegativeFloat = Field(default=0.0, description="step of the loss-free balancing bias (Wang et al. 2024)")

    @model_validator(mode="after")
    def _chooses_among_them(self) -> Self:
        if self.top_k > self.experts:
            raise ValueError(f"top_k is {self.top_k}, but there are only {self.experts} experts; choose fewer or have more")
        if self.top_k == 1 and self.renormalise and self.experts > 1:
            raise ValueError("top_k 1 with renormalise leaves the router nothing to learn from; say renormalise: false, as Switch does")
        return self

    def in_layer(self, layer: int) -> bool:
        return layer >= self.first_dense and (layer + 1) % self.every == 0


FeedForwardConfig = Annotated[Plain | Gated | MoE | Absent, Field(discriminator="kind")]

# --- norms ---


class Norm(Config):
    """RMSNorm (Zhang and Sennrich 2019), LayerNorm (Ba et al. 2016), BatchNorm over real tokens (Ioffe and Szegedy 2015) or none.

    `place` says where it stands around a branch f: pre x + f(n(x)) (Xiong et al. 2020), post n(x + f(x)) (Vaswani et al. 2017),
    sandwich x + n(f(n(x))) (Ding et al. 2021), deep n(alpha x + f(x)) (Wang et al. 2022; without `alpha` their choice). `final` is
    the norm after the last block, by default where the last thing before the head is no norm already.
    """

    kind: Literal["rms", "layer", "batch", "none"] = "rms"
    eps: PositiveFloat = 1e-5
    place: Literal["pre", "post", "sandwich", "deep"] = "pre"
    alpha: PositiveFloat | None = None
    final: bool | None = None

    @property
    def ends(self) -> bool:
        """Whether a norm follows the last block."""
        return self.place in ("pre", "sandwich") if self.final is None else self.final


# --- positions ---


class Scaling(Config):
    """RoPE beyond the trained context: positions divided (linear, Chen et al. 2023), the base raised (ntk, bloc97 2023), frequencies
    treated by how often they turn (yarn, Peng et al. 2023; llama3, Grattafiori et al. 2024)."""

    kind: Literal["linear", "ntk", "yarn", "llama3"]
    factor: PositiveFloat
    original_context: PositiveInt | None = Field(default=None, description="what the model was trained with; yarn and llama3 need it")
    fast: PositiveFloat | None = Field(default=None, description="turns within that context above which nothing is changed")
    slow: PositiveFloat | None = Field(default=None, description="turns below which positions are divided")

    @model_validator(mode="after")
    def _knows_its_origin(self) -> Self:
        if self.kind in ("yarn", "llama3") and self.original_context is None:
            raise ValueError(f"{self.kind} needs original_context, the context that the model was trained with")
        return self


class RoPE(Config):
    """Rotary positions (Su et al. 2021): queries and keys are turned by an angle that grows with their position.

    `share` of each head's features are turned (NeoX a quarter). Pairs are `halves` (x_p, x_{p+K/2}: Llama, NeoX) or `neighbours`
    (x_{2p}, x_{2p+1}: the paper, GPT-J, GLM).
    """

    kind: Literal["rope"] = "rope"
    base: PositiveFloat = 10_000.0
    share: float = Field(default=1.0, gt=0, le=1)
    pairs: Literal["halves", "neighbours"] = "halves"
    scaling: Scaling | None = None


class Learned(Config):
    """One learned vector a position, added to the token's (GPT, BERT)."""

    kind: Literal["learned"] = "learned"


class Sinusoidal(Config):
    """Sines and cosines of the position, added to the token's vector (Vaswani et al. 2017, section 3.5)."""

    kind: Literal["sinusoidal"] = "sinusoidal"


class ALiBi(Config):
    """A penalty on scores that grows with the distance, steeper in some heads (Press et al. 2022)."""

    kind: Literal["alibi"] = "alibi"


class Buckets(Config):
    """A learned score for each bucket of distances (Raffel et al. 2020, section 2.1), the same in all layers or one a layer (GLaM)."""

    kind: Literal["t5"] = "t5"
    buckets: int = Field(default=32, ge=4)
    max_distance: PositiveInt = 128
    per_layer: bool = False

    @model_validator(mode="after")
    def _leaves_room_for_logarithms(self) -> Self:
        if self.max_distance <= self.buckets // 2:
            raise ValueError(f"max_distance is {self.max_distance}, and the first {self.buckets // 2} distances have buckets of their own")
        return self


class TransformerXL(Config):
    """Scores from a projected sinusoid of the distance and two learned biases (Dai et al. 2019, section 3.3; Gopher, Chinchilla)."""

    kind: Literal["xl"] = "xl"


class TwoDimensional(Config):
    """GLM's two learned positions: the place in the given text, and the place inside the span that is written (Du et al. 2022)."""

    kind: Literal["glm"] = "glm"


class NoPositions(Config):
    """None: a causal mask alone tells them apart (Haviv et al. 2022); an LSTM and a convolution know."""

    kind: Literal["none"] = "none"


PositionsConfig = Annotated[
    RoPE | Learned | Sinusoidal | ALiBi | Buckets | TransformerXL | TwoDimensional | NoPositions, Field(discriminator="kind")
]

# --- what a token gathers from others ---


class Everywhere(Config):
    """A layer that sees all that the objective allows."""

    kind: Literal["all"] = "all"

    def mask(self) -> Mask:
        return full()


class Window(Config):
    """A layer that sees `size` places: itself and those before it, or on both sides in an encoder (Beltagy et al. 2020)."""

    kind: Literal["window"] = "window"
    size: PositiveInt

    def mask(self) -> Mask:
        return window(self.size)


class Strided(Config):
    """A layer that sees a window, and every `stride`-th place beyond it (Child et al. 2019)."""

    kind: Literal["strided"] = "strided"
    size: PositiveInt
    stride: PositiveInt

    def mask(self) -> Mask:
        return window(self.size) | strided(self.stride)


PatternConfig = Annotated[Everywhere | Window | Strided, Field(discriminator="kind")]


class SelfAttention(Config):
    """softmax(q k) v between the tokens of a row; the fields beside it in `model:` say how."""

    kind: Literal["attention"] = "attention"


class LSTM(Config):
    """A recurrent layer (Hochreiter and Schmidhuber 1997) instead of attention; causal by its nature."""

    kind: Literal["lstm"] = "lstm"


class Convolution(Config):
    """A gated causal convolution over the last `kernel` tokens (Dauphin et al. 2017) instead of attention."""

    kind: Literal["convolution"] = "convolution"
    kernel: PositiveInt = 4


MixerConfig = Annotated[SelfAttention | LSTM | Convolution, Field(discriminator="kind")]

# --- biases, embedding, head ---


class Biases(Config):
    """Which linear layers and norms have an additive bias; `biases: true` or `false` stands for all of them but the head's."""

    queries: bool = Field(default=False, description="of queries, keys and values")
    out: bool = Field(default=False, description="of attention's output")
    feed_forward: bool = False
    norms: bool = False
    head: bool = False

    @model_validator(mode="before")
    @classmethod
    def _all_or_none(cls, data: Any) -> Any:
        if isinstance(data, bool):
            return {"queries": data, "out": data, "feed_forward": data, "norms": data}
        return data


class Embedding(Config):
    """What becomes of a token's vector before the first block.

    `scale` multiplies it ("width": by sqrt(width), Vaswani et al. 2017); `norm` follows (BLOOM, BERT); `types` are BERT's sentence
    kinds; a table narrower than the model is projected up, and down before the head (OPT-350M).
    """

    scale: PositiveFloat | Literal["width"] | None = None
    norm: bool = False
    types: int = Field(default=0, ge=0)
    width: PositiveInt | None = None


class LanguageHead(Config):
    """Logits of the next token. `future` extra blocks predict tokens 2, 3, … places ahead (Gloeckle et al. 2024).

    Logits are multiplied by `scale` ("width": 1/sqrt(width), T5 and PaLM) and bent below `softcap` (Gemma 2).
    """

    kind: Literal["lm"] = "lm"
    future: int = Field(default=0, ge=0)
    scale: PositiveFloat | Literal["width"] | None = None
    softcap: PositiveFloat | None = None


class MaskedHead(Config):
    """Logits of a hidden token, after a dense layer, GELU and a norm; with `next_sentence` a second output (Devlin et al. 2019)."""

    kind: Literal["mlm"] = "mlm"
    next_sentence: bool = False


class SequenceHead(Config):
    """Classes (or with one class a value: regression) of a whole text, read at its first or last token, or from the mean.

    `hidden` puts a dense layer with tanh before it, as BERT's pooler does.
    """

    kind: Literal["classes"] = "classes"
    classes: PositiveInt = 2
    pool: Literal["first", "last", "mean"] = "first"
    hidden: bool = True


class TaggingHead(Config):
    """A class for every token."""

    kind: Literal["tags"] = "tags"
    classes: PositiveInt


class SpanHead(Config):
    """Where an answer begins and where it ends: two scores a token (Devlin et al. 2019, section 4.2)."""

    kind: Literal["span"] = "span"


class ScalarHead(Config):
    """One number a token: a reward read at the last, a value at each (Stiennon et al. 2020)."""

    kind: Literal["scalar"] = "scalar"


class EmbeddingHead(Config):
    """One unit vector a text (Reimers and Gurevych 2019)."""

    kind: Literal["embedding"] = "embedding"
    pool: Literal["first", "last", "mean"] = "mean"


HeadConfig = Annotated[
    LanguageHead | MaskedHead | SequenceHead | TaggingHead | SpanHead | ScalarHead | EmbeddingHead, Field(discriminator="kind")
]
