"""What can be learned from text, by which architecture, and with which special tokens? One config an objective.

    objective: {kind: span, density: 0.15, mean: 3}

`fits(model)` is the table of architectures and objectives: None, or the reason why the pair makes no sense. `raw_length(model)` is
how many tokens of text a row takes. objectives/build.py makes the objective itself.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from headwater.core.config import Config
from headwater.model.config import ModelConfig
from headwater.objectives.lengths import noise_counts, span_lengths, tail_lengths, text_that_fits
from headwater.objectives.table import architecture, one_row, refused
from headwater.tokens.specials import Extra

Share = Annotated[float, Field(ge=0, le=1)]
Part = Annotated[float, Field(gt=0, lt=1)]


class Base(Config):
    """What all objectives say of themselves."""

    kind: str

    @property
    def specials(self) -> tuple[Extra, ...]:
        """Special tokens that the tokenizer must have beside the six of all."""
        return ()

    def sentinels(self, model: ModelConfig) -> int:
        """How many sentinels the tokenizer must have."""
        return 0

    @property
    def reads_words(self) -> bool:
        """Whether it must know which tokens begin words and end sentences."""
        return False

    def raw_length(self, model: ModelConfig) -> int:
        """Tokens of text that a row takes, beside the one that follows them."""
        return model.context

    @property
    def windows(self) -> int:
        """Windows of text that a row takes."""
        return 1

    def fits(self, model: ModelConfig) -> str | None:
        """None, or why this model cannot learn it."""
        kind, head = self.kind, "mlm" if self.kind == "masked" else "lm"
        if (reason := refused(kind, architecture(model))) is not None:
            return reason
        if model.head.kind != head:
            return f"{kind} is learned through a head of kind {head}, and this model's is {model.head.kind}"
        if model.positions.kind == "glm" and kind != "glm":
            return f"glm positions count places inside the spans that GLM writes, and {kind} writes none; use other positions"
        if model.head.kind == "lm" and model.head.future and kind != "multi_token":
            return f"head.future predicts tokens further ahead, and {kind} gives it no targets; use multi_token, or future: 0"
        if self.raw_length(model) < 2:
            return f"a context of {model.context} leaves no room for a text; lengthen it"
        return None


class Causal(Base):
    """Each token from those before it (Bengio et al. 2003; Radford et al. 2018)."""

    kind: Literal["causal"] = "causal"
    across_documents: bool = Field(default=True, description="whether a token may see earlier documents of its row, as GPT-3's did")


class MultiToken(Base):
    """Each token, and by `head.future` further blocks those 2, 3, … places ahead (Gloeckle et al. 2024)."""

    kind: Literal["multi_token"] = "multi_token"
    across_documents: bool = True

    def fits(self, model: ModelConfig) -> str | None:
        if (reason := super().fits(model)) is not None:
            return reason
        if model.head.kind == "lm" and not model.head.future:
            return "multi_token predicts tokens further ahead, and head.future is 0; set it, or use causal"
        return None if model.context > 2 else f"a context of {model.context} has nothing further ahead; lengthen it"


class FIM(Base):
    """Fill in the middle (Bavarian et al. 2022): a share `rate` of the documents of a row, cut at two random tokens, is written as prefix,
    suffix, middle, or (of those, a share `spm`) as suffix, prefix, middle. All of it is learned.

    It is their context-level form, cut between tokens rather than characters.
    """

    kind: Literal["fim"] = "fim"
    rate: Share = 0.5
    spm: Share = 0.5
    across_documents: bool = True

    @property
    def specials(self) -> tuple[Extra, ...]:
        return ("prefix", "middle", "suffix")


class Prefix(Base):
    """The rest of a text from its beginning, which is read both ways (Liu et al. 2018; Raffel et al. 2020, section 3.2.1).

    The cut is uniform. An encoder–decoder reads the beginning with its encoder.
    """

    kind: Literal["prefix"] = "prefix"
    across_documents: bool = Field(default=True, description="without, each document of a row has a cut of its own")

    def fits(self, model: ModelConfig) -> str | None:
        if not one_row(model) and not self.across_documents:
            return "an encoder-decoder takes one text a row, so documents cannot be kept apart; leave across_documents: true"
        return super().fits(model)


class Masked(Base):
    """Hidden tokens from those on both sides (Devlin et al. 2019, section 3.1): `rate` of them are chosen; of those a share `mask` becomes
    the mask token, a share `random` any token, the rest stays. Drawn anew for each row (RoBERTa).

    `next_sentence`: a row is two pieces of text, and in half of the rows the second is from elsewhere. Without it, a row is whole
    text (RoBERTa's full sentences).
    """

    kind: Literal["masked"] = "masked"
    rate: Part = 0.15
    mask: Share = 0.8
    random: Share = 0.1
    whole_words: bool = Field(default=False, description="hide words with all their tokens")
    next_sentence: bool = False
    across_documents: bool = True

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mask + self.random > 1:
            raise ValueError(f"mask ({self.mask}) and random ({self.random}) are shares of the chosen tokens; keep their sum below 1")
        if self.next_sentence and not self.across_documents:
            raise ValueError("next_sentence asks whether a row's two pieces belong together, so they must see each other")
        return self

    @property
    def specials(self) -> tuple[Extra, ...]:
        return ("mask", "cls", "sep")

    @property
    def reads_words(self) -> bool:
        return self.whole_words

    def raw_length(self, model: ModelConfig) -> int:
        return max(0, model.context - (3 if self.next_sentence else 2))

    @property
    def windows(self) -> int:
        return 2 if self.next_sentence else 1

    def fits(self, model: ModelConfig) -> str | None:
        if (reason := super().fits(model)) is not None:
            return reason
        head = model.head
        if head.kind == "mlm" and head.next_sentence != self.next_sentence:
            has, asks = ("has", "does not ask") if head.next_sentence else ("lacks", "asks")
            return f"the head {has} next_sentence, and the objective {asks} it; set both alike"
        if self.next_sentence and model.embedding.types < 2:
            return f"next_sentence tells two pieces apart by embedding.types, of which this model has {model.embedding.types}; set it to 2"
        return None


class Spans(Base):
    """Span corruption (Raffel et al. 2020, section 3.1.4): `density` of a text, in spans of `mean` tokens, is replaced by sentinels; what
    stood there is written, each span after its sentinel. A decoder reads both in one row, the source both ways (UL2, section 3)."""

    kind: Literal["span"] = "span"
    density: Part = 0.15
    mean: Annotated[float, Field(ge=1)] = 3.0

    def raw_length(self, model: ModelConfig) -> int:
        return text_that_fits(lambda n: span_lengths(n, self.density, self.mean), model.context, one_row=one_row(model))

    def sentinels(self, model: ModelConfig) -> int:
        return noise_counts(self.raw_length(model), self.density, self.mean)[1]


class Denoising(Base):
    """A noised text, written anew whole (Lewis et al. 2020, section 2.2): spans of Poisson(`mean`) tokens, `infill` of the text, each
    become one mask; sentences are permuted. Their other noises are there too, as rates of single tokens: `delete`, `mask`."""

    kind: Literal["denoise"] = "denoise"
    infill: Annotated[float, Field(ge=0, lt=1)] = 0.3
    mean: PositiveFloat = 3.0
    sentences: bool = Field(default=True, description="whether sentences are put in a random order")
    delete: Annotated[float, Field(ge=0, lt=1)] = 0.0
    mask: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _noises(self) -> Self:
        if not (self.infill or self.sentences or self.delete or self.mask):
            raise ValueError("no noise is asked for, so the text would only be copied; set infill, sentences, delete or mask")
        return self

    @property
    def specials(self) -> tuple[Extra, ...]:
        return ("mask",) if self.infill or self.mask else ()

    @property
    def reads_words(self) -> bool:
        return self.sentences

    def raw_length(self, model: ModelConfig) -> int:
        return text_that_fits(lambda n: (n + 1, n + 1), model.context, one_row=one_row(model))


class Denoiser(Config):
    """One of UL2's: spans of `mean` tokens, `density` of the text; without a mean one span at the end, `density` of it in the mean."""

    mode: Literal["r", "s", "x"]
    density: Part
    mean: Annotated[float, Field(ge=1)] | None = None
    weight: NonNegativeFloat = 1.0

    def lengths(self, tokens: int, mode_tokens: bool) -> tuple[int, int]:
        """Most tokens of source and target."""
        source, target = tail_lengths(tokens, self.density) if self.mean is None else span_lengths(tokens, self.density, self.mean)
        return source + mode_tokens, target

    def raw_length(self, model: ModelConfig, mode_tokens: bool) -> int:
        return text_that_fits(lambda n: self.lengths(n, mode_tokens), model.context, one_row=one_row(model))

    def sentinels(self, tokens: int) -> int:
        return 1 if self.mean is None else noise_counts(tokens, self.density, self.mean)[1]


class UL2(Base):
    """A mixture of denoisers (Tay et al. 2022, table 1), drawn for each row: regular, extreme (long spans or much noise), sequential (the
    end from the beginning); each tells its mode by a token. Each takes as much text as fills its row."""

    kind: Literal["ul2"] = "ul2"
    denoisers: tuple[Denoiser, ...] = Field(
        default=(
            Denoiser(mode="r", mean=3, density=0.15),
            Denoiser(mode="r", mean=8, density=0.15),
            Denoiser(mode="s", density=0.25),
            Denoiser(mode="x", mean=3, density=0.5),
            Denoiser(mode="x", mean=8, density=0.5),
            Denoiser(mode="x", mean=64, density=0.15),
            Denoiser(mode="x", mean=64, density=0.5),
        ),
        min_length=1,
    )
    mode_tokens: bool = True

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if not any(denoiser.weight for denoiser in self.denoisers):
            raise ValueError("every denoiser has weight 0; give one of them more")
        return self

    @property
    def specials(self) -> tuple[Extra, ...]:
        modes = {denoiser.mode for denoiser in self.denoisers}
        return tuple(mode for mode in ("r", "s", "x") if mode in modes) if self.mode_tokens else ()

    def raw_length(self, model: ModelConfig) -> int:
        """Of the denoiser that takes most; 0 where one has no room."""
        each = [denoiser.raw_length(model, self.mode_tokens) for denoiser in self.denoisers]
        return max(each) if all(each) else 0

    def sentinels(self, model: ModelConfig) -> int:
        return max(denoiser.sentinels(denoiser.raw_length(model, self.mode_tokens)) for denoiser in self.denoisers)


class GLM(Base):
    """Blank infilling (Du et al. 2022, section 2): blanks are filled one after the other, in random order, by one who sees the given text
    both ways. A share `short` of the rows has spans of Poisson(`mean`) tokens, `density` of the text; the others one span at the end,
    `least` to `most` of the text (GLM-130B: 30 % and 70 %; Zeng et al. 2023, section 2.2)."""

    kind: Literal["glm"] = "glm"
    short: Share = 0.3
    density: Part = 0.15
    mean: PositiveFloat = 3.0
    least: Share = 0.5
    most: Annotated[float, Field(gt=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"the long span is at least {self.least} and at most {self.most} of the text; exchange them")
        return self

    @property
    def specials(self) -> tuple[Extra, ...]:
        return ("mask", "gmask", "sop", "eop")

    def raw_length(self, model: ModelConfig) -> int:
        return max(0, model.context - 2)


class Decay(Config):
    """Scheduled sampling (Bengio et al. 2015, section 2.4): the share of given tokens falls from 1 to `least`, in a line over so many
    `steps`, as k^step, or as k / (k + exp(step / k)); elsewhere the decoder reads its own prediction."""

    shape: Literal["linear", "exponential", "sigmoid"] = "linear"
    steps: PositiveFloat | None = Field(default=None, description="of the line")
    k: PositiveFloat | None = Field(default=None, description="of the curves: below 1 for exponential, at least 1 for sigmoid")
    least: Share = 0.0

    @model_validator(mode="after")
    def _has_its_number(self) -> Self:
        if self.shape == "linear" and (self.steps is None or self.k is not None):
            raise ValueError("a linear decay is given by 'steps' alone")
        if self.shape != "linear" and (self.k is None or self.steps is not None):
            raise ValueError(f"a decay of shape {self.shape} is given by 'k' alone")
        if self.k is not None and (self.k >= 1) != (self.shape == "sigmoid"):
            raise ValueError(f"k is {self.k:g}; it must be below 1 in an exponential decay and at least 1 in a sigmoid one")
        return self


class Seq2Seq(Base):
    """A target from its source (Sutskever et al. 2014): translation, summarisation. `packed` puts several short pairs into a row, where
    none sees another. `decay` replaces given target tokens by the model's own more and more."""

    kind: Literal["seq2seq"] = "seq2seq"
    packed: bool = True
    decay: Decay | None = None


class Component(Config):
    """One of a mixture."""

    objective: TextObjective
    weight: NonNegativeFloat = 1.0


class Mixture(Base):
    """Several objectives by weight, drawn for each row, or for each batch."""

    kind: Literal["mixture"] = "mixture"
    of: tuple[Component, ...] = Field(min_length=1)
    draw: Literal["row", "batch"] = "row"

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if not any(component.weight for component in self.of):
            raise ValueError("every objective of the mixture has weight 0; give one of them more")
        return self

    @property
    def specials(self) -> tuple[Extra, ...]:
        return tuple(dict.fromkeys(name for component in self.of for name in component.objective.specials))

    def sentinels(self, model: ModelConfig) -> int:
        return max(component.objective.sentinels(model) for component in self.of)

    @property
    def reads_words(self) -> bool:
        return any(component.objective.reads_words for component in self.of)

    def raw_length(self, model: ModelConfig) -> int:
        return max(component.objective.raw_length(model) for component in self.of)

    @property
    def windows(self) -> int:
        return max(component.objective.windows for component in self.of)

    def fits(self, model: ModelConfig) -> str | None:
        for component in self.of:
            if (reason := component.objective.fits(model)) is not None:
                return reason
        return None


TextObjective = Annotated[Causal | Prefix | Masked | Spans | Denoising | UL2 | GLM | FIM | MultiToken, Field(discriminator="kind")]
ObjectiveConfig = Annotated[
    Causal | Prefix | Masked | Spans | Denoising | UL2 | GLM | FIM | MultiToken | Seq2Seq | Mixture, Field(discriminator="kind")
]

Component.model_rebuild()
Mixture.model_rebuild()
