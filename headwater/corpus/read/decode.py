"""What text do these bytes hold? In: bytes of unknown encoding. Out: text, or a sentence when they are no text.

In the order of trust: byte order mark, UTF-8, the HTTP header, an HTML page's own declaration, then which encoding makes the bytes
read like text (charset.py), then charset-normalizer's guess. A declaration is believed if the bytes fit it.
"""

from __future__ import annotations

import codecs
import re

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.charset import JAPANESE, detected

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SIGNATURES = {
    b"%PDF-": "a PDF",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "gzip-compressed",
    b"\x28\xb5\x2f\xfd": "zstd-compressed",
    b"BZh": "bzip2-compressed",
    b"\xfd7zXZ": "xz-compressed",
    b"\x7fELF": "a program",
    b"PAR1": "Parquet",
    b"SQLite format 3": "an SQLite database",
}
SAMPLE = 1 << 16
CONTROL = bytes(code for code in (*range(32), 0x7F) if code not in b"\t\n\v\f\r\x1b")
CONTROL_SHARE = 0.02
"""Text has none of these characters but for accidents; compressed data has a tenth."""
DECLARED = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.IGNORECASE)

SUPERSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb_2312-80": "gb18030",
    "x-gbk": "gb18030",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "sjis": "cp932",
    "windows-31j": "cp932",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "ksc5601": "cp949",
    "x-euc-jp": "euc_jp",
    "big5": "big5hkscs",
    "x-x-big5": "big5hkscs",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "windows-874": "cp874",
    "x-cp1251": "cp1251",
}
HALF_WIDTH = re.compile("[\uff61-\uff9f]{3,}[^\uff61-\uff9f]*")
"""Half-width katakana: what Shift-JIS makes of other encodings' bytes."""
DAMAGE = 0.02
"""Share of the characters above ASCII that may be damaged before a declaration is taken for a lie."""


def decode(data: bytes, where: str, html: bool = False, declared: str | None = None) -> str:
    """The text, without byte order mark and lone surrogates. `declared`: the charset that an HTTP header named.

    Raises HeadwaterError for empty and binary data (a page may have a stray NUL).
    """
    return decoded(data, where, html, declared)[0]


def decoded(data: bytes, where: str, html: bool = False, declared: str | None = None) -> tuple[str, bool]:
    """`(text, whether the data is that text as UTF-8)`."""
    if not data:
        raise HeadwaterError("is empty", where=where, mend="delete it or leave it out of the source's pattern")
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return mend_surrogates(data.decode(encoding, errors="replace")), False
    _refuse_binary(data, where, html)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        start = error.start
    else:
        return (data.decode("iso2022_jp", errors="replace"), False) if text.isascii() and JAPANESE in data else (text, True)
    found = DECLARED.search(data, 0, 4096) if html else None
    for name in (declared, found.group(1).decode("ascii") if found else None):
        if name is not None and (fits := _declared(data, name.lower())) is not None:
            return mend_surrogates(fits), False
    return mend_surrogates(_detected(data, start, where)), False


def _refuse_binary(data: bytes, where: str, html: bool) -> None:
    kind = next((kind for signature, kind in SIGNATURES.items() if data.startswith(signature)), None)
    sample = data[:SAMPLE]
    controls = len(sample) - len(sample.translate(None, CONTROL))
    if kind is None and (html or b"\0" not in data) and controls <= CONTROL_SHARE * len(sample):
        return
    what = f"is {kind}, not text" if kind else "is binary, not text"
    raise HeadwaterError(what, where=where, mend="leave it out of the source's pattern (for example `path: folder/**/*.txt`)")


def _declared(data: bytes, name: str) -> str | None:
    """The text by a declared encoding; None if Python does not know it or the bytes are damaged by it in more than DAMAGE."""
    # Pages that name these mean their supersets (WHATWG Encoding Standard, section 4.2).
    try:
        text = data.decode(SUPERSETS.get(name, name), errors="replace")
    except (LookupError, UnicodeError):
        return None
    strange = text.count("\ufffd") + len(HALF_WIDTH.findall(text))
    return text if strange <= max(2, DAMAGE * (len(text) - len(text.encode("ascii", "ignore")))) else None


def _detected(data: bytes, bad_utf8: int, where: str) -> str:
    """`bad_utf8`: where UTF-8 breaks off. After a long stretch of other letters that is a damaged spot, not another encoding."""
    sound = data[:bad_utf8]
    if not sound.isascii() and (bad_utf8 >= min(SAMPLE, len(data) - 3) or _mostly_utf8(data)):
        return data.decode("utf-8", errors="replace")
    if (encoding := detected(data)) is not None:
        return data.decode(encoding, errors="replace")
    from charset_normalizer import from_bytes

    best = from_bytes(data[: SAMPLE * 4]).best()
    if best is None:
        raise HeadwaterError("is text in no encoding that could be recognised", where=where, mend="convert it to UTF-8, or leave it out")
    return data.decode(best.encoding, errors="replace")


def _mostly_utf8(data: bytes) -> bool:
    """Whether most of what is not ASCII is sound UTF-8 (another encoding's bytes hardly ever are): a page with a damaged spot."""
    text = data[: SAMPLE * 4].decode("utf-8", errors="replace")
    damaged = text.count("\ufffd")
    return len(text) - len(text.encode("ascii", "ignore")) - damaged > 4 * damaged


def mend_surrogates(text: str) -> str:
    """Lone surrogates (JSON can smuggle them in) cannot be written as UTF-8: `?` in their place."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
