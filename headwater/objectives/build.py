"""From a config, a model and a tokenizer to an objective that makes rows; or one sentence that says why not.

objective = build(config.objective, model, tokenizer)      # HeadwaterError where the three do not fit together
"""

from __future__ import annotations

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.objectives import causal, config, denoise, fim, glm, masked, mixture, prefix
from headwater.objectives.lengths import span_lengths
from headwater.objectives.pairs import Pairs
from headwater.objectives.rows import Objective
from headwater.objectives.specials import Specials
from headwater.objectives.table import one_row
from headwater.tokens.tokenizer import Tokenizer


def check(objective: config.ObjectiveConfig, model: ModelConfig, tokenizer: Tokenizer | None = None, where: str = "objective") -> None:
    """Raises HeadwaterError when the architecture cannot learn this, or the tokenizer lacks what it needs."""
    if (reason := objective.fits(model)) is not None:
        raise HeadwaterError(f"this model cannot learn {objective.kind}: {reason}", where=where)
    if tokenizer is None:
        return
    missing = [name for name in objective.specials if not tokenizer.has(name)]
    if missing:
        names = ", ".join(objective.specials)
        raise HeadwaterError(f"{objective.kind} needs the special tokens {', '.join(missing)}", where=where,
                             mend=f"say tokenizer.specials: [{names}]")  # fmt: skip
    needed, there = objective.sentinels(model), len(tokenizer.sentinels)
    if needed > there:
        raise HeadwaterError(f"{objective.kind} breaks a row into up to {needed} spans, and the tokenizer has {there} sentinels",
                             where=where, mend=f"say tokenizer.sentinels: {needed}")  # fmt: skip


def build(
    objective: config.TextObjective | config.Mixture, model: ModelConfig, tokenizer: Tokenizer, where: str = "objective"
) -> Objective:
    """Of text. (Pairs have objectives/seq2seq.py.)"""
    check(objective, model, tokenizer, where)
    return assemble(objective, model, Specials.of(tokenizer, words=objective.reads_words))


def assemble(objective: config.TextObjective | config.Mixture, model: ModelConfig, specials: Specials) -> Objective:
    """The objective itself; the config fits the model, and the special tokens are there."""
    end, pad, raw = specials["end"], specials["pad"], objective.raw_length(model)
    if isinstance(objective, config.Mixture):
        total = sum(component.weight for component in objective.of)
        chosen = [component for component in objective.of if component.weight]
        parts = tuple(assemble(component.objective, model, specials) for component in chosen)
        return mixture.Mixture(parts, tuple(component.weight / total for component in chosen), objective.draw == "batch")
    if isinstance(objective, config.Causal):
        return causal.Causal(raw, end, pad, objective.across_documents)
    if isinstance(objective, config.MultiToken):
        assert model.head.kind == "lm"
        return causal.Causal(raw, end, pad, objective.across_documents, model.head.future)
    if isinstance(objective, config.FIM):
        marks = specials["prefix"], specials["middle"], specials["suffix"]
        return fim.FIM(raw, objective.rate, objective.spm, objective.across_documents, *marks, end, pad)
    if isinstance(objective, config.Prefix):
        if one_row(model):
            return prefix.Prefix(raw, end, pad, objective.across_documents)
        return prefix.SplitPrefix(raw, _pairs(model, specials, model.context, model.context))
    if isinstance(objective, config.Masked):
        words = specials.words if objective.whole_words else None
        return masked.Masked(
            raw, objective.rate, objective.mask, objective.random, words, objective.next_sentence, objective.across_documents,
            specials["mask"], specials["cls"], specials["sep"], end, pad, specials.ordinary,
        )  # fmt: skip
    if isinstance(objective, config.GLM):
        ids = specials["mask"], specials["gmask"], specials["sop"], specials["eop"]
        return glm.GLM(
            model.context, objective.short, objective.density, objective.mean, objective.least, objective.most, *ids, pad,
            two_dimensional=model.positions.kind == "glm",
        )  # fmt: skip
    if isinstance(objective, config.Spans):
        source, target = span_lengths(raw, objective.density, objective.mean)
        denoiser = denoise.Denoiser(raw, objective.density, objective.mean)
        return denoise.Corruption((denoiser,), (1.0,), specials.sentinels, end, _pairs(model, specials, source, target, exact=True))
    if isinstance(objective, config.UL2):
        return _ul2(objective, model, specials)
    mask = specials["mask"] if objective.specials else pad
    ends = specials.words.ends_sentence_V if objective.sentences and specials.words is not None else None
    return denoise.Rewriting(
        raw, objective.infill, objective.mean, objective.delete, objective.mask, mask, ends, end, _pairs(model, specials, raw + 1, raw + 1)
    )  # fmt: skip


def _ul2(objective: config.UL2, model: ModelConfig, specials: Specials) -> Objective:
    chosen = [denoiser for denoiser in objective.denoisers if denoiser.weight]
    total = sum(denoiser.weight for denoiser in chosen)
    modes = objective.mode_tokens
    raws = [denoiser.raw_length(model, modes) for denoiser in chosen]
    denoisers = tuple(
        denoise.Denoiser(raw, denoiser.density, denoiser.mean, specials[denoiser.mode] if modes else None)
        for raw, denoiser in zip(raws, chosen, strict=True)
    )
    lengths = [denoiser.lengths(raw, modes) for raw, denoiser in zip(raws, chosen, strict=True)]
    pairs = _pairs(model, specials, max(source for source, _ in lengths), max(target for _, target in lengths))
    shares = tuple(denoiser.weight / total for denoiser in chosen)
    return denoise.Corruption(denoisers, shares, specials.sentinels, specials["end"], pairs)


def _pairs(model: ModelConfig, specials: Specials, source: int, target: int, *, exact: bool = False) -> Pairs:
    """Rows for sources and targets of at most these lengths; `exact` where all have them."""
    if one_row(model):
        return Pairs(source + target - 1 if exact else model.context, specials["pad"], specials.start, exact=exact)
    return Pairs(target, specials["pad"], specials.start, source, exact)
