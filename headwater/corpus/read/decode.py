"""What text do these bytes hold? In: bytes of unknown encoding. Out: text, or a sentence when they are no text.

In the order of trust: byte order mark, UTF-8, an HTML page's own declaration, then charset-normalizer's guess.
"""

from __future__ import annotations

import codecs
import re

from headwater.core.errors import HeadwaterError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SIGNATURES = {
    b"%PDF-": "a PDF", b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image", b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "gzip-compressed", b"\x28\xb5\x2f\xfd": "zstd-compressed", b"BZh": "bzip2-compressed", b"\xfd7zXZ": "xz-compressed",
    b"\x7fELF": "a program", b"PAR1": "Parquet", b"SQLite format 3": "an SQLite database",
}  # fmt: skip
SAMPLE = 1 << 16
CONTROL = bytes(code for code in (*range(32), 0x7F) if code not in b"\t\n\v\f\r\x1b")
CONTROL_SHARE = 0.02
"""Text has none of these characters but for accidents; compressed data has a tenth."""
DECLARED = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.IGNORECASE)


def decode(data: bytes, where: str, html: bool = False) -> str:
    """The text, without byte order mark and lone surrogates.

    Raises HeadwaterError for empty and binary data.
    """
    if not data:
        raise HeadwaterError("is empty", where=where, mend="delete it or leave it out of the source's pattern")
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return mend_surrogates(data.decode(encoding, errors="replace"))
    _refuse_binary(data, where)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        start = error.start
    declared = DECLARED.search(data, 0, 4096) if html else None
    return mend_surrogates(_declared(data, declared.group(1).decode("ascii").lower()) if declared else _detected(data, start, where))


def _refuse_binary(data: bytes, where: str) -> None:
    kind = next((kind for signature, kind in SIGNATURES.items() if data.startswith(signature)), None)
    sample = data[:SAMPLE]
    controls = len(sample) - len(sample.translate(None, CONTROL))
    if kind is None and b"\0" not in data and controls <= CONTROL_SHARE * len(sample):
        return
    what = f"is {kind}, not text" if kind else "is binary, not text"
    raise HeadwaterError(what, where=where, mend="leave it out of the source's pattern (for example `path: folder/**/*.txt`)")


def _declared(data: bytes, name: str) -> str:
    # Pages that say gb2312 or latin-1 mean their supersets (WHATWG Encoding Standard, section 4.2).
    name = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "cp1252", "latin1": "cp1252", "ascii": "cp1252"}.get(name, name)
    try:
        return data.decode(name, errors="replace")
    except (LookupError, UnicodeError):
        return data.decode("utf-8", errors="replace")


def _detected(data: bytes, bad_utf8: int, where: str) -> str:
    """`bad_utf8`: where UTF-8 breaks off. After a long stretch of other letters that is a damaged spot, not another encoding."""
    sound = data[:bad_utf8]
    if not sound.isascii() and bad_utf8 >= min(SAMPLE, len(data) - 3):
        return data.decode("utf-8", errors="replace")
    from charset_normalizer import from_bytes

    best = from_bytes(data[: SAMPLE * 4]).best()
    if best is None:
        raise HeadwaterError("is text in no encoding that could be recognised", where=where, mend="convert it to UTF-8, or leave it out")
    return data.decode(best.encoding, errors="replace")


def mend_surrogates(text: str) -> str:
    """Lone surrogates (JSON can smuggle them in) cannot be written as UTF-8: `?` in their place."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
