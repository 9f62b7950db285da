"""What does the model say of its own accord, and does it only repeat its training text?

In: a model, held-out documents, a way to read the training documents. Out: samples, each with its longest verbatim match in
the training text, and the same figure for passages of the same lengths that people wrote and the model never saw: two texts of
one kind share phrases anyway, and only what goes beyond that is copying.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from headwater.core.progress import Bar, Reporter
from headwater.core.random import stream
from headwater.evaluation.config import Samples
from headwater.evaluation.excerpts import to_sentence
from headwater.evaluation.memorisation import Match, longest_matches
from headwater.evaluation.perplexity import Precision, scoring
from headwater.evaluation.statistics import mean, rounded
from headwater.evaluation.texts import Text
from headwater.generation.generate import generate
from headwater.generation.sampling import Sampling
from headwater.model.directory import Model

OPENING = 24  # characters of a held-out document that the model is given to go on from


def write_samples(
    config: Samples,
    model: Model,
    held_out: Sequence[Text],
    training: Iterable[Text],
    *,
    seed: int,
    batch_size: int,
    precision: Precision,
    report: Reporter,
    training_documents: int | None = None,
) -> dict[str, Any]:
    """`{"samples": [{"prompt", "text", "longest_match"}], "human_match": {…}}`; the prompt is no part of what is matched."""
    prompts = _prompts(config, held_out, seed)
    with report.bar("samples", len(prompts), "samples") as bar, scoring(model.network, precision):
        written = _generate(config, model, prompts, seed, batch_size, bar)
    passages = _passages(held_out, [len(text) for text in written], seed)
    with report.bar("longest verbatim matches", training_documents, "documents") as bar:
        matches = longest_matches([*written, *passages], ((text.id, text.text) for text in _counted(training, bar)))
    ours, human = matches[: len(written)], matches[len(written) :]
    samples = [
        {"prompt": prompt, "text": text, "longest_match": _shown(match)} for prompt, text, match in zip(prompts, written, ours, strict=True)
    ]
    return {"samples": samples, "human_match": _comparison(ours, human, passages)}


def _prompts(config: Samples, held_out: Sequence[Text], seed: int) -> list[str]:
    """The user's prompts in turn, or nothing and openings of held-out documents in turn."""
    if config.prompts:
        return [config.prompts[index % len(config.prompts)] for index in range(config.count)]
    order = stream(seed, "evaluate", "openings").permutation(len(held_out))
    openings = [to_sentence(held_out[place].text.lstrip(), OPENING) for place in order[: config.count]] or [""]
    return ["" if index % 2 == 0 else openings[index // 2 % len(openings)] for index in range(config.count)]


def _generate(config: Samples, model: Model, prompts: Sequence[str], seed: int, batch_size: int, bar: Bar) -> list[str]:
    end = model.tokenizer.special("end")
    specials = model.tokenizer.special_ids
    sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
    written: list[str] = []
    for start in range(0, len(prompts), batch_size):
        ids = [[end, *model.tokenizer.encode(prompt)] for prompt in prompts[start : start + batch_size]]
        keys = [f"sample {start + row}" for row in range(len(ids))]
        said = generate(model.network, ids, sampling, stop={end}, seed=seed, keys=keys, batch_size=batch_size)
        written += [model.tokenizer.decode(id for id in one.tokens if id not in specials) for one in said]
        bar.advance(len(said))
    return written


def _passages(held_out: Sequence[Text], lengths: Sequence[int], seed: int) -> list[str]:
    """For each length a passage of a held-out document, cut anywhere; a document that is shorter is taken whole."""
    rng = stream(seed, "evaluate", "passages")
    passages = []
    for length in lengths if held_out else []:
        long_enough = [text.text for text in held_out if len(text.text) >= length]
        texts = long_enough or [max((text.text for text in held_out), key=len)]
        text = texts[rng.integers(len(texts))]
        start = int(rng.integers(max(1, len(text) - length + 1)))
        passages.append(text[start : start + length])
    return passages


def _counted(training: Iterable[Text], bar: Bar) -> Iterable[Text]:
    for text in training:
        yield text
        bar.advance()


def _shown(match: Match) -> dict[str, Any]:
    return {"characters": match.characters, "text": match.text, "document": match.document}


def _comparison(ours: Sequence[Match], human: Sequence[Match], passages: Sequence[str]) -> dict[str, Any]:
    """Mean longest match of the samples beside that of held-out passages, which is the level of no copying."""

    def figure(matches: Sequence[Match]) -> dict[str, Any]:
        lengths = [match.characters for match in matches]
        value, error = mean(lengths) if lengths else (math.nan, None)
        return {
            "characters": rounded(value) if lengths else None,
            "standard_error": rounded(error),
            "longest": int(np.max(lengths, initial=0)),
        }

    examples = [{"text": passage, "longest_match": _shown(match)} for passage, match in zip(passages, human, strict=True)]
    return {**figure(human), "count": len(human), "samples": figure(ours), "examples": examples[:4]}
