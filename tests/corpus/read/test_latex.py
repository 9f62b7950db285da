"""headwater/corpus/read/latex.py: papers as arXiv keeps them; mathematics stays; hostile ones in linear time."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.document import Document
from headwater.corpus.read.config import PathSource
from headwater.corpus.read.latex import text_of
from headwater.corpus.read.units import documents_of, units_of

Documents = Callable[..., list[Document]]


MAIN = r"""\documentclass{article} % a comment
\newcommand{\loom}{Jacquard loom}
\newcommand{\two}[1]{#1}
\title{On the \emph{Loom}}
\begin{document}
\maketitle
\begin{abstract}We weave.\end{abstract}
\section{Introduction}\label{sec:a}
The \loom{} is old~\cite{a,b}. It costs 5\% of $x_{1}^2 \le y$ and % 10 percent
\begin{equation}\label{e} a = b \end{equation}
\input{parts/method}
\begin{itemize}
\item one
\item[two] three
\end{itemize}
``Quoted'' --- see \href{http://a}{here}.
\begin{thebibliography}{9} \bibitem{a} Someone \end{thebibliography}
\end{document}
junk
"""
METHOD = "\\subsection*{Method}\nWe \\textbf{weave $\\alpha$}, \\two{twice}.\n\\input{../../../etc/passwd}\\input{method}"


def tarred(files: dict[str, str], link: str | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
        if link:
            info = tarfile.TarInfo("link.tex")
            info.type, info.linkname = tarfile.SYMTYPE, link
            archive.addfile(info)
    return buffer.getvalue()


def test_a_paper_of_several_files(documents: Documents) -> None:
    (found,) = documents("2301.00001.tar.gz", tarred({"parts/method.tex": METHOD, "main.tex": MAIN, "fig.pdf": "%PDF"}), format="latex")
    text = found.text
    assert text.startswith("On the Loom\n\nWe weave.")
    assert found.meta == {"title": "On the Loom"}
    assert "## Introduction" in text and "### Method" in text
    assert "The Jacquard loom is old. It costs 5% of $x_{1}^2 \\le y$ and" in text
    assert "\\begin{equation}\\label{e} a = b \\end{equation}" in text
    assert "- one\n" in text and "two three" in text and "“Quoted” — see here." in text
    assert "weave $\\alpha$" in text
    for gone in ("percent", "comment", "Someone", "junk", "documentclass", "passwd"):
        assert gone not in text


def test_one_file(documents: Documents) -> None:
    for name, data in (("a.tex", MAIN.encode()), ("2301.1.gz", gzip.compress(MAIN.encode()))):
        assert documents(name, data, format="latex")[0].text.startswith("On the Loom")
    assert documents("a.tex", MAIN)[0].text.startswith("On the Loom")


def test_a_tar_of_papers(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "2301.tar", "w") as archive:
        for number in range(3):
            paper = tarred({"main.tex": MAIN.replace("Loom", f"Loom {number}")})
            info = tarfile.TarInfo(f"2301/2301.0000{number}.gz")
            info.size = len(paper)
            archive.addfile(info, io.BytesIO(paper))
    source = [PathSource(path=f"{tmp_path}/2301.tar", name="s", format="latex")]
    found = [d for unit in units_of(source, Reporter()) for d in documents_of(unit, source, Counter())]
    assert [d.meta["title"] for d in found] == ["On the Loom 0", "On the Loom 1", "On the Loom 2"]
    assert found[0].id == "s/2301.tar/2301/2301.00000.gz"


@pytest.mark.fault
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (tarred({"a.txt": "x"}), "has no .tex file"),
        (tarred({"main.tex": MAIN})[:-30], "is broken"),
        (tarred({"main.tex": "x" * 40_000_000}), "is more than 32 MB"),
        (tarred({"../../main.tex": MAIN}), "has no .tex file"),
        (tarred({}, link="/etc/passwd"), "has no .tex file"),
    ],
)
def test_what_is_no_paper(documents: Documents, data: bytes, said: str) -> None:
    with pytest.raises(HeadwaterError, match=said):
        documents("a.tar.gz", data, format="latex")
    bad: Counter[str] = Counter()
    assert documents("a.tar.gz", data, bad, format="latex", on_bad_row="skip") == [] and bad == {"s/a.tar.gz": 1}


@pytest.mark.fault
def test_files_that_take_each_other_in(documents: Documents) -> None:
    files = {f"{n}.tex": "x" + "".join(f"\\input{{{m}}}" for m in range(6)) for n in range(6)}
    files["main.tex"] = "\\begin{document}\\input{0}\\end{document}"
    started = time.process_time()
    documents("a.tar.gz", tarred(files), format="latex")
    assert time.process_time() - started < 5


SIGNS = [
    *["\\cite[", "\\section", "\\section{", "\\[", "$", "\\(", "\\begin{align}", "\\begin{comment}", "{", "\\item[", "\\def\\a{", "%"],
    *["\\newcommand{\\a}{\\b}", "\\emph{", "\\", "\\title{", "\\begin{document}", "\\href{a}{", "\n \n", "\\section" + " " * 9000, "\\\\["],
]


@pytest.mark.fault
@pytest.mark.parametrize("sign", SIGNS)
def test_time_is_linear_in_the_paper(sign: str) -> None:
    started = time.process_time()
    text_of(sign * (300_000 // len(sign)))
    assert time.process_time() - started < 3
