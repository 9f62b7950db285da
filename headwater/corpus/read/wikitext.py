"""What does wikitext say? In: the source of a wiki page. Out: text with Markdown's headings and lists.

Templates, tables, references, files, categories, comments and tags are dropped; links become their words; `<math>` and code keep
what stands in them. Every pass is linear in the length of the page, however deep its braces are nested.
"""

from __future__ import annotations

import html
import re

COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
NOWIKI = re.compile(r"<(nowiki|pre|source|syntaxhighlight|code)\b[^<>]*>(.*?)(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
MATH = re.compile(r"<(math|chem|ce)\b[^<>]*>(.*?)(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
DROPPED = re.compile(
    r"<(ref|gallery|timeline|imagemap|score|templatestyles|hiero)\b(?:[^<>]*/>|[^<>]*>.*?(?:</\1\s*>|\Z))", re.DOTALL | re.IGNORECASE
)
BRACES = re.compile(r"\{\{|\}\}|\{\||^\|\}", re.MULTILINE)
BRACKETS = re.compile(r"\[\[|\]\]")
EXTERNAL = re.compile(r"\[(?:https?:)?//[^\s\[\]]++[ \t]*+([^\[\]\n]*)\]")
BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
EMPHASIS = re.compile(r"'{2,5}")
HEADING = re.compile(r"^(=.*=)[ \t]*$", re.MULTILINE)
LIST = re.compile(r"^([*#:;]+)[ \t]*", re.MULTILINE)
MAGIC = re.compile(r"__[A-Z]{3,}__")
BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")
UNSEEN = ("file", "image", "category", "文件", "图像", "圖像", "分类", "分類", "档案", "檔案", "datei", "kategorie", "fichier", "catégorie",
          "файл", "категория", "archivo", "categoría")  # fmt: skip
"""Namespaces whose links show no words."""
NESTED = 20
"""Links within links, which pictures have; what is nested deeper loses its brackets."""
MARK = "\x00"


def text_of(wikitext: str) -> str:
    kept: list[str] = []

    def aside(text: str) -> str:
        kept.append(text)
        return f"{MARK}{len(kept) - 1}{MARK}"

    text = COMMENT.sub("", wikitext.replace(MARK, ""))
    text = NOWIKI.sub(lambda found: aside(found.group(2)), text)
    text = MATH.sub(lambda found: aside(f"${found.group(2).strip()}$"), text)
    text = DROPPED.sub("", text)
    text = _without_braces(text)
    text = _links(text)
    text = EXTERNAL.sub(r"\1", text)
    text = TAG.sub("", BREAK.sub("\n", text))
    text = MAGIC.sub("", EMPHASIS.sub("", text))
    text = LIST.sub(_list_sign, text)
    text = HEADING.sub(_heading, text)
    text = html.unescape(text)
    text = re.sub(f"{MARK}(\\d+){MARK}", lambda found: html.unescape(kept[int(found.group(1))]), text)
    return BLANK_LINES.sub("\n\n", text).strip()


def _heading(found: re.Match[str]) -> str:
    line = found.group(1)
    words = line.strip("= \t")
    level = min(6, len(line) - len(line.lstrip("=")), len(line) - len(line.rstrip("=")))
    return f"{'#' * level} {words}" if words else line


def _list_sign(found: re.Match[str]) -> str:
    signs = found.group(1)
    indent = "  " * (len(signs) - 1)
    return {"*": f"{indent}- ", "#": f"{indent}1. "}.get(signs[-1], "")


def _without_braces(text: str) -> str:
    """Without templates and tables, nested ones too; a brace that is never closed stays as it is."""
    opened: list[tuple[str, int]] = []
    cuts: list[tuple[int, int]] = []
    for found in BRACES.finditer(text):
        sign = found.group()
        if sign in ("{{", "{|"):
            opened.append((sign, found.start()))
        elif opened and opened[-1][0] == ("{{" if sign == "}}" else "{|"):
            start = opened.pop()[1]
            while cuts and cuts[-1][0] > start:
                cuts.pop()
            cuts.append((start, found.end()))
    return _cut(text, cuts)


def _cut(text: str, cuts: list[tuple[int, int]]) -> str:
    parts, place = [], 0
    for start, end in cuts:
        parts.append(text[place:start])
        place = end
    return "".join([*parts, text[place:]])


def _links(text: str) -> str:
    """Links as their words, innermost first; pictures and categories as nothing."""
    stack: list[list[str]] = [[]]
    place = 0
    for found in BRACKETS.finditer(text):
        stack[-1].append(text[place : found.start()])
        place = found.end()
        if found.group() == "[[" and len(stack) <= NESTED:
            stack.append([])
        elif len(stack) > 1:
            inner = "".join(stack.pop())
            stack[-1].append(_words_of(inner))
        else:
            stack[-1].append("" if found.group() == "[[" else "]]")
    stack[-1].append(text[place:])
    while len(stack) > 1:
        inner_parts = stack.pop()
        stack[-1] += ["[[", *inner_parts]
    return "".join(stack[0])


def _words_of(link: str) -> str:
    target, bar, words = link.partition("|")
    space, colon, _ = target.partition(":")
    if colon and space.strip().lower() in UNSEEN:
        return ""
    return words.rpartition("|")[2] if bar and words else target.lstrip(":")
