"""headwater/corpus/licences/texts.py: real licence files of installed packages, against what their metadata says."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import numpy as np
import pytest

from headwater.corpus.licences.references import COVERED
from headwater.corpus.licences.texts import licence_of, references, shingles

MIT = """The MIT License

Copyright 2031 Somebody Else

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to
the following conditions: The above copyright notice and this permission notice shall be included in all copies or substantial portions
of the Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS
BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
ISC = """Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted, provided
that the above copyright notice and this permission notice appear in all copies. THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS
ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR
BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR
PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR
PERFORMANCE OF THIS SOFTWARE.
"""


@pytest.mark.oracle
def test_licence_files_of_installed_packages() -> None:
    """One licence file, one plain SPDX identifier in the metadata, and that identifier is covered."""
    right, wrong = 0, []
    for package in importlib.metadata.distributions():
        files = [file for file in package.files or [] if re.search(r"dist-info/.*(licen[sc]e|copying)[^/]*$", str(file), re.IGNORECASE)]
        said = package.metadata.get("License-Expression")
        if len(files) != 1 or said not in COVERED:
            continue
        text = Path(str(package.locate_file(files[0]))).read_text(encoding="utf-8", errors="replace")
        told = licence_of(text, 0.75)
        right += told == said
        wrong += [(package.name, said, told)] if told != said and len(text) < 20_000 else []
    assert right >= 20
    assert len(wrong) <= 0.1 * right, wrong


@pytest.mark.oracle
@pytest.mark.skipif(not Path("/usr/share/common-licenses/GPL-3").exists(), reason="Debian's copies of licences")
@pytest.mark.parametrize(
    ("file", "said"),
    [("GPL-2", "GPL-2.0-only"), ("GPL-3", "GPL-3.0-only"), ("LGPL-2.1", "LGPL-2.1-only"), ("LGPL-3", "LGPL-3.0-only"), ("Apache-2.0",) * 2,
     ("MPL-2.0",) * 2, ("GFDL-1.3", "GFDL-1.3-only"), ("BSD", "BSD-3-Clause"), ("CC0-1.0",) * 2, ("Artistic", "Artistic-1.0-Perl")],
)  # fmt: skip
def test_debian_s_copies(file: str, said: str) -> None:
    assert licence_of(Path("/usr/share/common-licenses", file).read_text(encoding="utf-8", errors="replace"), 0.75) == said


def test_names_years_and_line_breaks_do_not_count() -> None:
    assert licence_of(MIT, 0.75) == "MIT"
    assert licence_of("# " + MIT.replace("\n", "\n# ").replace("the following", "the\n\nfollowing"), 0.75) == "MIT"


def test_prose_is_no_licence() -> None:
    assert licence_of("All rights reserved. You may not copy this.", 0.75) is None
    assert licence_of("", 0.75) is None
    assert licence_of("This licence plate hangs on my car. " * 50, 0.75) is None


def test_a_text_of_several_is_all_of_them() -> None:
    between = "\n" + "The part below was taken from elsewhere and has other terms than the one above. " * 40 + "\n"
    assert licence_of(MIT + between + ISC, 0.75) == "MIT AND ISC"
    assert licence_of(ISC, 0.75) == "ISC"


def test_references_are_hashes_of_short_and_samples_of_long_texts() -> None:
    known = references()
    assert known.ids == list(COVERED) and len(set(known.ids)) == len(known.ids) > 80
    for scale, sketch in zip(known.scales, known.sketches, strict=True):
        assert (
            sketch.dtype == np.uint32 and len(sketch) > 10 and (np.diff(sketch.astype(np.int64)) > 0).all() and (sketch % scale == 0).all()
        )


def test_shingles_are_of_five_words() -> None:
    assert len(shingles("one two three four five six")) == 2
    assert (shingles("One, two;\nTHREE four five.") == shingles("one two three four five")).all()
