"""What does a paper in LaTeX say? In: a .tex file, or the .tar.gz (or .gz) of one paper as arXiv keeps it. Out: one text.

Files that the main one takes in (`\\input`, `\\include`) stand in their place; comments, preamble, bibliography and floats' pictures go;
macros without arguments that the paper defines are written out; headings become Markdown's, emphasis its words. Mathematics stays as
it was written.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.config import Reading
from headwater.corpus.read.decode import decode
from headwater.corpus.read.found import BadRow, Found, Input, Row
from headwater.corpus.read.lines import whole
from headwater.corpus.read.open import is_inside, tar_members, unpacking
from headwater.corpus.read.rows import BAD_ROW

LARGEST = 32 << 20
"""Bytes of all .tex files of a paper."""
INPUTS = 10
"""Files within files."""
SMALLEST = 1 << 15
"""What a file that is taken in counts for at least, so that few thousand are."""
COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%.*")
INPUT = re.compile(r"\\(?:input|include|subfile)\s*+\{([^{}]+)\}|\\input\s++([^\s{}\\]+)")
MACRO = re.compile(r"\\(?:(?:re)?newcommand\*?|providecommand\*?|def)\s*+\{?\\([A-Za-z]+)\}?\s*+\{")
BODY = re.compile(r"\\begin\{document\}(.*?)(?:\\end\{document\}|\Z)", re.DOTALL)
TITLE = re.compile(r"\\title\s*+(?:\[[^\[\]\n]{0,300}\])?\s*+\{")
HEADINGS = {"part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5}
HEADING = re.compile(rf"\\({'|'.join(HEADINGS)})\*?\s*+(?:\[[^\[\]\n]{{0,300}}\])?\s*+\{{")
DROPPED = re.compile(r"\\begin\{(thebibliography|comment|tikzpicture|picture|filecontents)\*?\}.*?(?:\\end\{\1\*?\}|\Z)", re.DOTALL)
NOISE = re.compile(
    r"~?\\(?:label|cite[a-z]*\*?|ref|eqref|pageref|autoref|cref|vspace\*?|hspace\*?|includegraphics|bibliography|bibliographystyle|thispagestyle"
    r"|pagestyle|usepackage|setcounter|input|include)\s*+(?:\[[^\[\]\n]{0,300}\])*\s*+\{[^{}]*\}"
)
WORDS = re.compile(r"\\(?:emph|textbf|textit|texttt|textsc|textrm|textsf|underline|mbox|footnote|caption|url|text)\s*+\{([^{}]*)\}")
LINK = re.compile(r"\\href\s*+\{[^{}]*\}\s*+\{([^{}]*)\}")
ENVIRONMENT = re.compile(
    r"\\(?:begin|end)\{(?:itemize|enumerate|description|center|quote|quotation|abstract|figure\*?|table\*?|flushleft|flushright|document"
    r"|theorem|lemma|proof|definition|corollary|proposition|remark|example|minipage|multicols)\}(?:\[[^\[\]\n]{0,300}\])?(?:\{[^{}]*\})?"
)
COMMAND = re.compile(
    r"\\(?:maketitle|tableofcontents|noindent|centering|newpage|clearpage|pagebreak|bigskip|medskip|smallskip|par|hline|small|large|Large"
    r"|footnotesize|normalsize|appendix|itshape|bfseries)\b ?"
)
ITEM = re.compile(r"\n?\\item\b[ \t]*+(?:\[([^\[\]\n]{0,300})\])?[ \t]*+")
BRACE = re.compile(r"[{}]")
BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")
MATHS = re.compile(
    r"\$\$.*?(?:\$\$|\Z)|\$(?:\\.|[^$\\])*+\$|\\\[.*?(?:\\\]|\Z)|\\\(.*?(?:\\\)|\Z)"
    r"|\\begin\{(equation|align|gather|eqnarray|multline|displaymath)(\*?)\}.*?(?:\\end\{\1\2\}|\Z)",
    re.DOTALL,
)


def paper(given: Input, source: Reading) -> Iterator[Found]:
    try:
        files = _files(given)
        main = _main(files)
        if main is None:
            raise HeadwaterError("has no .tex file with \\begin{document}", where=given.where)
        title, text = text_of(_merged(main, files))
    except HeadwaterError as error:
        yield BadRow(HeadwaterError(error.what, where=error.where or given.where, mend=BAD_ROW))
        return
    yield Row(f"{title}\n\n{text}" if title else text, {"title": title} if title else {})


def _files(given: Input) -> dict[str, str]:
    """The .tex files of a paper by name."""
    name = given.name.lower()
    if not name.endswith((".gz", ".tgz")):
        return {given.name: decode(whole(given.file, given.where, LARGEST), given.where)}
    plain = unpacking(given.file, "gz", given.where)
    if not _is_tar(plain.peek(512)):  # type: ignore[attr-defined]
        return {given.name: decode(whole(plain, given.where, LARGEST), given.where)}
    files: dict[str, str] = {}
    left = LARGEST
    for member, stream, where in tar_members(plain, given.where):
        if member.lower().endswith((".tex", ".ltx", ".bbl")):
            data = whole(stream, where, left)
            left -= len(data)
            if data:
                files[posixpath.normpath(member)] = decode(data, where)
    return files


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar" or (len(head) >= 512 and head[:1].isalnum() and b"\0" in head[:100])


def _main(files: dict[str, str]) -> str | None:
    """The file with the document's beginning; of several, one called main, ms, paper or article, else the longest."""
    found = [name for name, text in files.items() if "\\begin{document}" in text]
    if not found and len(files) == 1:
        return next(iter(files))  # an old plain TeX paper, or a chapter alone
    usual = [name for name in found if posixpath.basename(name).lower().split(".")[0] in ("main", "ms", "paper", "article")]
    return min(usual or found, key=lambda name: (-len(files[name]), name), default=None)


def _merged(name: str, files: dict[str, str], depth: int = 0, left: list[int] | None = None) -> str:
    """The file without comments and with others in the place of its `\\input`s; at most LARGEST characters of them."""
    left = [LARGEST] if left is None else left
    text = COMMENT.sub(r"\1", files[name])
    folder = posixpath.dirname(name)

    def taken_in(found: re.Match[str]) -> str:
        asked = (found.group(1) or found.group(2)).strip()
        if depth >= INPUTS or not is_inside(asked):
            return ""
        for path in (asked, f"{asked}.tex", posixpath.join(folder, asked), posixpath.join(folder, f"{asked}.tex")):
            path = posixpath.normpath(path)
            if path in files and path != name and len(files[path]) <= left[0]:
                left[0] -= max(len(files[path]), SMALLEST)
                return _merged(path, files, depth + 1, left)
        return ""

    return INPUT.sub(taken_in, text)


def text_of(latex: str) -> tuple[str, str]:
    """`(title, text)` of a document without comments."""
    macros = _macros(latex)
    found = TITLE.search(latex)
    title = _argument(latex, found.end()) if found else ""
    body = BODY.search(latex)
    text = DROPPED.sub("", body.group(1) if body else latex)
    text = _written_out(text, macros)
    kept: list[str] = []

    def aside(maths: re.Match[str]) -> str:
        kept.append(maths.group())
        return f"\x00{len(kept) - 1}\x00"

    text = MATHS.sub(aside, text.replace("\x00", ""))
    text = _plain(text)
    text = re.sub("\x00(\\d+)\x00", lambda found: kept[int(found.group(1))], text)
    return _plain(title).replace("\n", " ").strip(), BLANK_LINES.sub("\n\n", text).strip()


def _plain(text: str) -> str:
    text = TITLE.sub("{", _headings(NOISE.sub("", text)))
    text = ITEM.sub(lambda found: f"\n- {found.group(1)} " if found.group(1) else "\n- ", text)
    for _ in range(3):
        text = LINK.sub(r"\1", WORDS.sub(r"\1", text))
    text = COMMAND.sub("", ENVIRONMENT.sub("\n", text))
    text = re.sub(r"\\\\(?:\[[^\[\]\n]{0,300}\])?", "\n", text)
    text = text.replace("``", "“").replace("''", "”").replace("~", " ").replace("---", "—").replace("--", "–")
    return re.sub(r"\\([%&$#_{}])", r"\1", re.sub(r"(?<!\\)[{}]", "", text))


def _headings(text: str) -> str:
    parts, place = [], 0
    for found in HEADING.finditer(text):
        if found.start() < place:
            continue
        words = _argument(text, found.end())
        if not words:
            continue
        parts += [text[place : found.start()], f"\n\n{'#' * HEADINGS[found.group(1)]} {words}\n\n"]
        place = found.end() + len(words) + 1
    return "".join([*parts, text[place:]])


def _argument(text: str, start: int, longest: int = 400) -> str:
    """What stands in braces that were opened just before `start`; nothing when they are not closed within `longest` characters."""
    depth = 1
    for brace in BRACE.finditer(text, start, start + longest):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return text[start : brace.start()]
    return ""


def _macros(latex: str) -> dict[str, str]:
    """Macros without arguments; those with arguments, and those that use themselves, stay as they are."""
    macros: dict[str, str] = {}
    for found in MACRO.finditer(latex):
        meaning = _argument(latex, found.end())
        if meaning and len(meaning) <= 200 and "#" not in meaning and f"\\{found.group(1)}" not in meaning:
            macros[found.group(1)] = meaning
    return dict(list(macros.items())[:1000])


def _written_out(text: str, macros: dict[str, str]) -> str:
    """Two rounds: macros that use macros."""
    if not macros:
        return text
    pattern = re.compile(r"\\(" + "|".join(sorted(map(re.escape, macros), key=len, reverse=True)) + r")(?![A-Za-z])[ \t]?(?:\{\})?")
    for _ in range(2):
        if len(text) + sum(len(macros[found.group(1)]) for found in pattern.finditer(text)) > LARGEST:
            break
        text = pattern.sub(lambda found: macros[found.group(1)], text)
    return text
