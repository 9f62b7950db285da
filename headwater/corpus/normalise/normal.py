"""Which characters should a text have? In: a batch. Out: the batch with its texts in one normal form.

Encoding repair where there are signs of damage, NFC, `\\n` for every newline, no control, zero-width or direction
characters, no terminal codes, no trailing spaces, at most two blank lines on end; then what the recipe asks for besides.
Attributes: `normalise.form` (what is always done), `normalise.repair`, and `normalise.<option>` for each option that is on:
the number of characters that it changed or left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headwater.core.progress import Reporter
from headwater.corpus.document import Step, buffers_of, texts_of, with_score, with_spans
from headwater.corpus.normalise import gate
from headwater.corpus.normalise.config import Normalise

Change = Callable[[str], tuple[str, int]]
"""A text to what it becomes, and how many characters that changed."""

MOJIBAKE = re.compile(f"[\u00c2-\u00f4][{gate.CONTINUATIONS}]")
"""A lead byte of UTF-8 followed by a continuation byte, both read as Latin-1 or Windows-1252."""
NEWLINES = re.compile("[\u2028\u2029\x85\v\f]")
"""Besides \\r and \\r\\n."""
INVISIBLE = re.compile(f"[{gate.INVISIBLES}]")
# Joiner and non-joiner stay where Persian, the scripts of India and emoji need them: not between Latin letters or Han.
SEPARATE = f"A-Za-z\u00c0-\u024f{gate.HAN_RANGES}"
JOINER = re.compile(f"(?<=[{SEPARATE}])[{gate.JOINERS}]+(?=[{SEPARATE}])")
# ECMA-48: control sequences (colours, cursor), operating system commands (titles, links), character sets, single functions.
ESCAPES = re.compile("(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b\n]*(?:\x07|\x1b\\\\)|\x1b[()*+][0-9A-Z]|\x1b[=>78DEHMc]")
BLANK = re.compile(r"\n{4,}")
LONG_LINE = 5000
"""Characters of a line from which on its edits are not counted one by one."""

WARNINGS = {
    "spelling": "spelling repair corrects names, dialects and code away",
    "lower": "with lower-casing a model never learns to write a capital",
    "stop_words": "without function words a model learns no grammar",
}


def warnings_of(config: Normalise) -> list[str]:
    """A sentence for every option that harms a generative model."""
    return [f"corpus.normalise.{name}: {why}; good for retrieval and classification, not for a model that is to write"
            for name, why in WARNINGS.items() if getattr(config, name)]  # fmt: skip


def normaliser(config: Normalise, report: Reporter | None = None) -> Step:
    """The step. Raises HeadwaterError for a missing extra or a file that cannot be read."""
    if report is not None:
        for warning in warnings_of(config):
            report.say(warning)
    changes = changes_of(config)
    marker = None
    if config.homographs is not None:
        from headwater.corpus.normalise.homographs import marker_of

        marker = marker_of(config.homographs)

    def step(batch: pa.RecordBatch) -> pa.RecordBatch:
        batch = _apply(batch, changes)
        return batch if marker is None else with_spans(batch, [marker(text) for text in texts_of(batch)])

    return step


def changes_of(config: Normalise) -> list[tuple[str, int, Change]]:
    """`(name, bits of the gate that call for it; 0: always, what it does)` in the order in which they are done."""
    changes: list[tuple[str, int, Change]] = [("form", gate.FORM, form)]
    if config.repair:
        changes.insert(0, ("repair", gate.MOJIBAKE, _repair))
    if config.width != "keep":
        from headwater.corpus.normalise.signs import narrower

        changes.append(("width", gate.WIDE, narrower(config.width)))
    if config.punctuation == "straight":
        from headwater.corpus.normalise.signs import straighten

        changes.append(("punctuation", gate.PUNCTUATION, straighten))
    if config.homoglyphs:
        from headwater.corpus.normalise.homoglyphs import fold

        changes.append(("homoglyphs", gate.MIXED, fold))
    if config.han != "keep":
        from headwater.corpus.normalise.han import converter

        changes.append(("han", gate.HAN, converter(config.han)))
    if config.spelling is not None:
        from headwater.corpus.normalise.spelling import corrector

        changes.append(("spelling", 0, corrector(config.spelling)))
    if config.lower:
        from headwater.corpus.normalise.reduce import lower

        changes.append(("lower", 0, lower))
    if config.stop_words:
        from headwater.corpus.normalise.reduce import without_stop_words

        changes.append(("stop_words", 0, without_stop_words))
    if config.emoji:  # last: the names are words that are meant
        from headwater.corpus.normalise.emoji import name_emoji

        changes.append(("emoji", gate.EMOJI, name_emoji))
    return changes


def _apply(batch: pa.RecordBatch, changes: list[tuple[str, int, Change]]) -> pa.RecordBatch:
    """Only texts for which the gate shows a reason become Python strings; a batch without any keeps its very buffers."""
    flags = gate.inspect(*buffers_of(batch))
    counts = np.zeros((len(changes), batch.num_rows))
    called = np.zeros(batch.num_rows, bool)
    for _, bits, _ in changes:
        called |= (flags & bits) != 0 if bits else np.ones(batch.num_rows, bool)
    column = batch.column("text")
    mended: list[str] = []
    for row in np.flatnonzero(called).tolist():
        text, shown = column[row].as_py(), int(flags[row])
        for index, (name, bits, change) in enumerate(changes):
            if bits == 0 or shown & bits:
                before = text
                text, counts[index, row] = form(text, shown) if name == "form" else change(text)
                if text != before:  # what came of it may call for a later change that there was no reason for
                    shown = gate.shown(text)
        mended.append(text)
    if mended:
        replaced = pc.replace_with_mask(column, pa.array(called), pa.array(mended, pa.string()))
        batch = batch.set_column(batch.schema.get_field_index("text"), batch.schema.field("text"), replaced)
    for (name, _, _), row_counts in zip(changes, counts, strict=True):
        batch = with_score(batch, f"normalise.{name}", row_counts)
    return batch


def repair(text: str) -> str:
    """Undo wrong decodings line by line. The gate costs a scan; ftfy itself would cost a hundred."""
    return _repair(text)[0]


def _repair(text: str) -> tuple[str, int]:
    if text.isascii() or MOJIBAKE.search(text) is None:
        return text, 0
    import ftfy
    from rapidfuzz.distance import Levenshtein

    lines, count = text.split("\n"), 0
    for index, line in enumerate(lines):
        if MOJIBAKE.search(line):
            mended = ftfy.fix_encoding(line)
            if mended != line:
                count += Levenshtein.distance(line, mended) if len(line) < LONG_LINE else abs(len(line) - len(mended))
                lines[index] = mended
    return ("\n".join(lines), count) if count else (text, 0)


def normal(text: str) -> str:
    """The normal form; applying it twice changes nothing."""
    return form(text)[0]


def form(text: str, flags: int = gate.FORM) -> tuple[str, int]:
    """The normal form as far as the flags call for it, and the number of characters that changed."""
    original, count = text, 0
    if flags & gate.INVISIBLE:
        text = ESCAPES.sub("", text)
        count += len(original) - len(text)
    if flags & gate.NEWLINE:
        count += text.count("\r")
        text, newlines = NEWLINES.subn("\n", text.replace("\r\n", "\n").replace("\r", "\n"))
        count += newlines
    if flags & gate.INVISIBLE:
        text, invisible = INVISIBLE.subn("", text)
        count += invisible
    if flags & gate.COMPOSE:
        composed = unicodedata.normalize("NFC", text)
        count += differing(text, composed)
        text = composed
    if flags & gate.INVISIBLE and any(joiner in text for joiner in gate.JOINERS):
        text, joiners = JOINER.subn("", text)
        count += joiners
    if flags & gate.SPACE or text != original:  # what stood before an invisible character may be trailing now
        count += text.count("\u00a0")
        spaced = text.replace("\u00a0", " ")
        text = "\n".join([line.rstrip() for line in spaced.split("\n")])
        text = (BLANK.sub("\n\n\n", text) if "\n\n\n\n" in text else text).strip("\n")
        count += len(spaced) - len(text)
    return text, count


def differing(before: str, after: str) -> int:
    """Characters that changed: places that differ in texts of one length, else the difference in length."""
    if before == after:
        return 0
    if len(before) != len(after):
        return abs(len(before) - len(after))
    a, b = (np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32) for text in (before, after))
    return int(np.count_nonzero(a != b))
