"""What does a PDF say? In: the file. Out: the text of its pages, one after the other, a blank line between them.

Read by PDFium (pypdfium2, an optional extra). A page without text (a scan) gives none: nothing is recognised from pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.config import Reading
from headwater.corpus.read.found import BadRow, Found, Input, Passed, Row
from headwater.corpus.read.lines import whole
from headwater.corpus.read.open import reason

LARGEST = 256 << 20
HYPHEN = re.compile("(?<=[a-zà-ÿ])[\ufffe\u00ad\u0002]\r?\n?(?=[a-zà-ÿ])")
"""PDFium's mark of a word that is parted at the end of a line."""


def pages(given: Input, source: Reading) -> Iterator[Found]:
    try:
        import pypdfium2
    except ModuleNotFoundError:
        mend = "pip install 'headwater[pdf]', or leave PDF files out"
        raise HeadwaterError("is a PDF, and the library that reads them is not installed", where=given.where, mend=mend) from None
    data = whole(given.file, given.where, LARGEST)
    texts = []
    try:
        document = pypdfium2.PdfDocument(data)
        try:
            for number in range(len(document)):
                page = document[number]
                texts.append(page.get_textpage().get_text_bounded())
                page.close()
            title = document.get_metadata_value("Title")
        finally:
            document.close()
    except (pypdfium2.PdfiumError, ValueError, OSError, RuntimeError) as error:
        yield BadRow(HeadwaterError(f"is no PDF that can be read ({reason(error)})", where=given.where, mend="set `on_bad_row: skip`"))
        return
    text = "\n\n".join(page for text in texts if (page := HYPHEN.sub("", text).replace("\r\n", "\n").strip()))
    if not text:
        yield Passed("PDF files without text (scans)", file=True)
        return
    yield Row(text, {"title": title, "pages": len(texts)} if title else {"pages": len(texts)})
