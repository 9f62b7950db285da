"""Which language is a document in? In: a batch. Out: the batch with `language` filled in.

fastText's lid.176 (Joulin et al. 2016) sees 600 characters from the middle. Scripts are counted besides: they know better
for a few words, and for Chinese that the model takes for Japanese. Attributes: `language_confidence`; `wanted_language`: the
confidence if the language is one that the recipe keeps, else 0; `traditional`: of the Chinese characters that are written in
one script only, the share of traditional ones (0.5: there is none; 0: not Chinese); `mixed`: share of letters in paragraphs
(lines) in another language than the document. Spans, if the recipe asks for them: `language:<code>`, unwanted paragraphs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.document import Span, Step, buffers_of, texts_of, with_column, with_score, with_spans
from headwater.corpus.language import scripts
from headwater.corpus.language.config import Language, is_wanted
from headwater.corpus.read.source import files_of

SAMPLE = 600
UNKNOWN = "und"
Guess = Callable[[str], tuple[str, float]]
"""A text to its language and the probability of that."""

SCRIPT_OF = {"zh": scripts.HAN, "yue": scripts.HAN, "ja": scripts.KANA, "ko": scripts.HANGUL}
NAMED = {scripts.HAN: "zh", scripts.KANA: "ja", scripts.HANGUL: "ko", scripts.THAI: "th", scripts.GREEK: "el"}
"""Scripts that one language writes (nearly) alone."""
SHORT = 20
"""Letters of a line, below which it is part of what stands around it: a name, a heading, a brand."""
ENOUGH = 100
"""Letters of a line from which on the model is sure enough of one paragraph."""
CANTONESE_SHARE = 0.02
"""Share of written Cantonese's own characters in Han from which on it is Cantonese (Mandarin dialogue: under 0.001)."""
AMBIGUOUS = frozenset("唔咁佢")
"""Of these characters, those that other Chinese has now and then."""


def identifier(config: Language, report: Reporter | None = None) -> Step:
    """The step. Raises HeadwaterError when the model cannot be had."""
    guess = detector(config, report)
    return lambda batch: identify(batch, config, guess)


def detector(config: Language, report: Reporter | None = None) -> Guess:
    """A function from a text to `(language, probability)`. Raises HeadwaterError when the model cannot be had."""
    model = None if config.model is None else load_model(config, report)

    def guess(text: str) -> tuple[str, float]:
        sample = middle(text)
        return by_script(sample, model(sample.replace("\n", " ")) if model else (UNKNOWN, 0.0))

    return guess


def identify(batch: pa.RecordBatch, config: Language, guess: Guess) -> pa.RecordBatch:
    languages, confidences = [], []
    texts = texts_of(batch)
    for text, known in zip(texts, batch.column("language").to_pylist(), strict=True):
        language, confidence = (known.partition("-")[0], 1.0) if known else guess(text)  # of zh-TW the characters tell the rest
        languages.append(language)
        confidences.append(confidence)
    counts, lines = scripts.scan(*buffers_of(batch), SHORT)
    traditional = [share_of_traditional(row) if language in ("zh", "yue") else 0.0 for row, language in zip(counts, languages, strict=True)]
    wanted = [confidence if is_wanted(config.keep, language, share) else 0.0
              for language, confidence, share in zip(languages, confidences, traditional, strict=True)]  # fmt: skip
    strays = strays_of(texts, languages, counts, lines, guess, config.closely)
    mixed = np.zeros(batch.num_rows)
    spans: list[list[Span]] = [[] for _ in languages]
    for row, language in strays:
        document, start, end, _, letters = lines[row].tolist()
        mixed[document] += letters / max(1, int(counts[document, scripts.LETTERS]))
        if not is_wanted(config.keep, language):
            spans[document].append((start, min(end + 1, len(texts[document])), f"language:{language}"))
    batch = with_score(with_column(batch, "language", languages), "language_confidence", confidences)
    batch = with_score(with_score(with_score(batch, "wanted_language", wanted), "traditional", traditional), "mixed", mixed)
    return with_spans(batch, spans) if config.paragraphs == "cut" else batch


def strays_of(
    texts: list[str], languages: list[str], counts: np.ndarray, lines: np.ndarray, guess: Guess, closely: bool
) -> list[tuple[int, str]]:
    """`(row of lines, its language)` for each line in another language than its document."""
    script_of = [SCRIPT_OF.get(language, scripts.leading(row)) for language, row in zip(languages, counts, strict=True)]
    home = np.asarray([*script_of, 0])[lines[:, 0]]
    foreign = (lines[:, 3] != home) & (lines[:, 3] != scripts.NONE) & (home != scripts.NONE)
    foreign &= ~((lines[:, 3] == scripts.HAN) & ((home == scripts.KANA) | (home == scripts.HANGUL)))  # Japanese and Korean have Han, too
    asked = foreign | (lines[:, 4] >= ENOUGH) if closely else foreign
    found: list[tuple[int, str]] = []
    for row in np.flatnonzero(asked).tolist():
        document, start, end, script, _ = lines[row].tolist()
        language = NAMED.get(script) or guess(texts[document][start:end])[0]
        own = languages[document]
        if language != own and not (language == "zh" and own == "yue") and (language != UNKNOWN or foreign[row]):
            found.append((row, language))
    return found


def share_of_traditional(counts: np.ndarray) -> float:
    one_script = int(counts[scripts.SIMPLIFIEDS] + counts[scripts.TRADITIONALS])
    return float(counts[scripts.TRADITIONALS]) / one_script if one_script else 0.5


def middle(text: str) -> str:
    """600 characters from the middle of a text: beginnings are titles and menus."""
    start = max(0, (len(text) - SAMPLE) // 2)
    return text[start : start + SAMPLE]


def by_script(sample: str, guess: tuple[str, float]) -> tuple[str, float]:
    """The model's guess, unless the script alone says more."""
    counts = scripts.count_scripts(sample)
    letters = int(counts[scripts.LETTERS])
    if not letters:
        return UNKNOWN, 0.0
    language, confidence = guess
    asian = int(counts[scripts.HAN] + counts[scripts.KANA])
    if 2 * asian > letters:
        share = asian / letters
        if 20 * counts[scripts.KANA] > asian:
            return "ja", share
        return ("yue" if _is_cantonese(sample, counts, language) else "zh"), share
    for script in (scripts.HANGUL, scripts.THAI):
        if 2 * counts[script] > letters:
            return NAMED[script], min(1.0, int(counts[script]) / letters)  # combining marks count as script, not as letters
    return (language, confidence) if confidence > 0 else (UNKNOWN, 0.0)


def _is_cantonese(sample: str, counts: np.ndarray, guessed: str) -> bool:
    """The model alone takes poems of the Tang for Cantonese; a 唔 alone may be a Mandarin sigh."""
    own = {*sample} & {*scripts.ONLY_CANTONESE}
    if guessed == "yue":
        return bool(own)
    return int(counts[scripts.CANTONESES]) >= CANTONESE_SHARE * int(counts[scripts.HAN]) and (len(own) > 1 or bool(own - AMBIGUOUS))


def load_model(config: Language, report: Reporter | None = None) -> Guess:
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
