"""What does the tokenizer make of text? Its figures, and a held-out text of each language cut into its tokens."""

from __future__ import annotations

from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.release.report.corpus import texts_by_language
from headwater.release.report.evidence import Stage, Stages, Statistics, Tokens
from headwater.release.report.section import Section
from headwater.release.report.words import Words
from headwater.tokens.tokenizer import Tokenizer

SHOWN = 320  # characters of a sample text
WIDEST = 16  # ids that may have to be read together before they are whole characters

Piece = tuple[str, list[int]]


def section(stages: Stages, words: Words) -> Section | None:
    stage, tokens = stages.get("tokenizer"), stages.get("tokens")
    if stage is None and tokens is None:
        return None
    statistics = stage.json("statistics.json", Statistics) if stage else None
    index = tokens.json("tokens.json", Tokens) if tokens else None
    samples = _samples(stage, stages.get("corpus"), words) if stage else []
    languages = sorted((statistics.bytes_per_token if statistics else {}).items(), key=lambda item: (item[0] != "all", -item[1]))
    body = {
        "statistics": statistics,
        "languages": [(words("all") if code == "all" else words.language(code), value) for code, value in languages],
        "most": max((value for _, value in languages), default=1.0),
        "splits": index.splits if index else {},
        "dtype": index.dtype if index else "",
        "samples": samples,
    }
    return Section("tokenizer", words("tokenizer_title"), _lead(statistics, index, words), "tokenizer", body)


def _lead(statistics: Statistics | None, index: Tokens | None, words: Words) -> str:
    said = []
    if statistics:
        kind = words.name("tokenizer_kind", statistics.kind)
        said.append(words("tokenizer_lead", kind=kind, vocabulary=words.exact(statistics.vocab_size)))
        if "all" in statistics.bytes_per_token:
            said.append(words("tokenizer_bytes", bytes=words.figure(statistics.bytes_per_token["all"], 3)))
    if index:
        total = sum(split.tokens for split in index.splits.values())
        said.append(words("tokens_lead", tokens=words.many("token", total)))
    return words.sentences(*said)


def _samples(stage: Stage, corpus: Stage | None, words: Words) -> list[dict[str, Any]]:
    if corpus is None or not stage.has("tokenizer.json"):
        return []
    try:
        tokenizer = Tokenizer.load(stage.path("tokenizer.json"))
    except (HeadwaterError, UnicodeDecodeError):
        stage.trouble("trouble_damaged", "tokenizer.json")
        return []
    shown = []
    for code, text in texts_by_language(corpus).items():
        text = passage(text)
        pieces = split(tokenizer, text)
        shown.append({"language": words.language(code), "code": code, "pieces": pieces, "tokens": sum(len(ids) for _, ids in pieces),
                      "bytes": len(text.encode())})  # fmt: skip
    return shown


def passage(text: str) -> str:
    """Some lines from the middle of a text: titles and lists of persons stand at its beginning."""
    if len(text) <= 3 * SHOWN:
        return text[:SHOWN]
    middle = text[len(text) // 2 :]
    return middle[middle.find("\n", 0, SHOWN) + 1 :].lstrip()[:SHOWN].rstrip()


def split(tokenizer: Tokenizer, text: str) -> list[Piece]:
    """The text in pieces, each with the ids that spell it: one id, or several where a character needs them.

    The pieces' texts joined are the text.
    """
    ids = tokenizer.encode(text)
    pieces: list[Piece] = []
    place = start = 0
    while start < len(ids):
        for stop in range(start + 1, min(start + WIDEST, len(ids)) + 1):
            piece = tokenizer.decode(ids[start:stop])
            if piece and text.startswith(piece, place):
                break
        else:  # a tokenizer that does not spell the text back: show the rest as one
            stop, piece = len(ids), text[place:]
        pieces.append((piece, ids[start:stop]))
        place, start = place + len(piece), stop
    return pieces
