"""Which characters should a text have? In: a batch. Out: the batch with its texts in one normal form.

Encoding repair where there are signs of damage, NFC, `\\n` for every newline, no control, zero-width or direction
characters, no trailing spaces, at most two blank lines on end. Attribute: `repaired`, 1 where the encoding was mended.
"""

from __future__ import annotations

import re
import unicodedata

import pyarrow as pa

from headwater.corpus.document import texts_of, with_score, with_texts
from headwater.corpus.normalise.config import Normalise

MOJIBAKE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]")
"""A lead byte of UTF-8 followed by a continuation byte, both read as Latin-1 or Windows-1252."""
NEWLINES = re.compile("\r\n?|\u2028|\u2029|\x85|\v|\f")
# Zero-width joiner and non-joiner stay: Persian, the scripts of India and emoji need them.
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls
    "\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb]"  # soft hyphen, zero width, direction
)
ESCAPES = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")
TRAILING = re.compile(r"[^\S\n]+$", re.MULTILINE)
BLANK = re.compile(r"\n{4,}")


def normalise(batch: pa.RecordBatch, config: Normalise) -> pa.RecordBatch:
    texts, repaired = [], []
    for text in texts_of(batch):
        mended = repair(text) if config.repair else text
        repaired.append(float(mended != text))
        texts.append(normal(mended))
    return with_score(with_texts(batch, texts), "repaired", repaired)


def repair(text: str) -> str:
    """Undo wrong decodings line by line. The gate costs a scan; ftfy itself would cost a hundred."""
    if text.isascii() or MOJIBAKE.search(text) is None:
        return text
    import ftfy

    return "\n".join(ftfy.fix_encoding(line) if MOJIBAKE.search(line) else line for line in text.split("\n"))


def normal(text: str) -> str:
    """The normal form; applying it twice changes nothing."""
    text = NEWLINES.sub("\n", ESCAPES.sub("", text))
    text = unicodedata.normalize("NFC", INVISIBLE.sub("", text)).replace("\u00a0", " ")
    return BLANK.sub("\n\n\n", TRAILING.sub("", text)).strip("\n")
