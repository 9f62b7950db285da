"""headwater/corpus/read/pdf.py: the words of a PDF; without the library, or with a broken file, a sentence."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.document import Document

Documents = Callable[..., list[Document]]


def pdf(*pages: str) -> bytes:
    """A PDF of some lines of text, with its table of places."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for text in pages:
        stream = "BT /F1 12 Tf 72 720 Td 14 TL " + " T* ".join(f"({line}) Tj" for line in text.split("\n")) + " ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        font = "<< /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R /Resources << /Font {font} >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    data, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, start=1):
        places.append(len(data))
        data += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n" + "".join(f"{place:010} 00000 n \n" for place in places)
    return data + table.encode() + f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(data)}\n%%EOF".encode()


def test_pages_in_order(documents: Documents) -> None:
    (found,) = documents("a.pdf", pdf("The loom weaves.\nSecond line.", "Another page."))
    assert found.text == "The loom weaves.\nSecond line.\n\nAnother page."
    assert (found.id, found.meta) == ("s/a.pdf", {"pages": 2})


def test_a_scan_gives_no_document(documents: Documents) -> None:
    bad: Counter[str] = Counter()
    assert documents("a.pdf", pdf(""), bad) == []
    assert bad == {"s: PDF files without text (scans)": 1}


@pytest.mark.fault
@pytest.mark.parametrize("data", [b"no pdf", b"%PDF-1.4\n" + b"\0" * 500, pdf("x")[:60]])
def test_a_broken_file_is_a_bad_row(documents: Documents, data: bytes) -> None:
    with pytest.raises(HeadwaterError, match=r"folder/a\.pdf: is no PDF that can be read"):
        documents("a.pdf", data)
    bad: Counter[str] = Counter()
    assert documents("a.pdf", data, bad, on_bad_row="skip") == [] and bad == {"s/a.pdf": 1}


@pytest.mark.fault
def test_without_the_library(documents: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(HeadwaterError, match=r"pip install 'headwater\[pdf\]'"):
        documents("a.pdf", pdf("x"))
