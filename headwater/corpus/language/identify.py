"""Which language is a document in? In: a batch. Out: the batch with `language` filled in.

fastText's lid.176 (Joulin et al. 2016) sees 600 characters from the middle. Scripts are counted besides: they know better
for a few words, and for Chinese that the model takes for Japanese. Attributes: `language_confidence`, and
`wanted_language`: the confidence if the language is one that the recipe keeps, else 0.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.document import texts_of, with_column, with_score
from headwater.corpus.language.config import Language
from headwater.corpus.read.source import files_of

SAMPLE = 600
UNKNOWN = "und"
Guess = Callable[[str], tuple[str, float]]

SCRIPTS = {
    "han": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af", "kana": "\u3040-\u30ff\uff66-\uff9f",
    "hangul": "\u1100-\u11ff\uac00-\ud7af", "thai": "\u0e00-\u0e7f", "latin": "A-Za-z\u00c0-\u024f\u1e00-\u1eff",
}  # fmt: skip
SCRIPT = {name: re.compile(f"[{ranges}]") for name, ranges in SCRIPTS.items()}
LETTER = re.compile(r"[^\W\d_]")
CANTONESE = re.compile("[嘅咗喺哋唔冇佢啲嚟咁]")
"""Characters of written Cantonese; without one, the model's `yue` is a poem of the Tang."""


def detector(config: Language, report: Reporter | None = None) -> Guess:
    """A function from a text to `(language, probability)`. Raises HeadwaterError when the model cannot be had."""
    model = None if config.model is None else load_model(config, report)

    def guess(text: str) -> tuple[str, float]:
        sample = middle(text)
        return by_script(sample, model(sample.replace("\n", " ")) if model else (UNKNOWN, 0.0))

    return guess


def identify(batch: pa.RecordBatch, config: Language, guess: Guess) -> pa.RecordBatch:
    languages, confidences = [], []
    for text, known in zip(texts_of(batch), batch.column("language").to_pylist(), strict=True):
        language, confidence = (known, 1.0) if known else guess(text)
        languages.append(language)
        confidences.append(confidence)
    wanted = [confidence if not config.keep or language in config.keep else 0.0
              for language, confidence in zip(languages, confidences, strict=True)]  # fmt: skip
    batch = with_score(with_column(batch, "language", languages), "language_confidence", confidences)
    return with_score(batch, "wanted_language", wanted)


def middle(text: str) -> str:
    """600 characters from the middle of a text: beginnings are titles and menus."""
    start = max(0, (len(text) - SAMPLE) // 2)
    return text[start : start + SAMPLE]


def by_script(sample: str, guess: tuple[str, float]) -> tuple[str, float]:
    """The model's guess, unless the script alone says more."""
    counts = Counter({name: len(pattern.findall(sample)) for name, pattern in SCRIPT.items()})
    letters = len(LETTER.findall(sample))
    if not letters:
        return UNKNOWN, 0.0
    language, confidence = guess
    asian = counts["han"] + counts["kana"]
    if asian > letters / 2:
        share = asian / letters
        if counts["kana"] > 0.05 * asian:
            return "ja", share
        return ("yue" if language == "yue" and CANTONESE.search(sample) else "zh"), share
    for script, named in (("hangul", "ko"), ("thai", "th")):
        if counts[script] > letters / 2:
            return named, min(1.0, counts[script] / letters)  # combining marks count as script, not as letters
    return (language, confidence) if confidence > 0 else (UNKNOWN, 0.0)


def load_model(config: Language, report: Reporter | None = None) -> Callable[[str], tuple[str, float]]:
    import fasttext

    assert config.model is not None
    files = list(files_of(config.model, report))
    if len(files) != 1:
        raise HeadwaterError(f"the language model's source has {len(files)} files", where="corpus.language.model", mend="name the one file")
    # The library opens paths only.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "language.ftz"
        path.write_bytes(files[0].data)
        try:
            model = fasttext.load_model(str(path))
        except ValueError:
            raise HeadwaterError("is no fastText model", where=files[0].place, mend="name a lid.176.ftz or .bin") from None

    def predict(text: str) -> tuple[str, float]:
        labels, probabilities = model.predict(text, k=1)
        return (labels[0].removeprefix("__label__"), min(1.0, float(probabilities[0]))) if labels else (UNKNOWN, 0.0)

    return predict
