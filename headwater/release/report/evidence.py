"""What did each stage leave behind? A workspace in, checked facts out; what is damaged becomes a sentence, never a crash.

The classes say what the report reads of each file (the files' other fields are passed over). A file that a stage never
wrote is absent without a word; one that its manifest promises and that is gone, cut off or malformed is a trouble, said
in the section of its stage.
"""

from __future__ import annotations

import fnmatch
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from headwater.core.artifact import JOURNAL, MANIFEST, Artifact, Workspace
from headwater.core.errors import HeadwaterError
from headwater.release.report.words import Words

RIVER = ("annotate", "relate", "corpus", "tokenizer", "tokens", "pretrain", "sft", "finetune", "evaluate", "release")


class Shape(BaseModel):
    """Base of what is read: frozen, further fields passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Size(Shape):
    documents: int
    bytes: int


class Excerpt(Shape):
    id: str
    excerpt: str
    value: float | None = None
    threshold: float | None = None


class Removed(Size):
    examples: list[Excerpt] = []


class Step(Size):
    step: str
    removed: dict[str, Removed] = {}


class Passage(Shape):
    """What came in of a source or language, and what was kept."""

    read: Size
    kept: Size


class Funnel(Shape):
    """corpus: funnel.json"""

    steps: list[Step]
    by_source: dict[str, Passage] = {}
    by_language: dict[str, Passage | Size] = {}
    splits: dict[str, Size] = {}
    bad_rows: dict[str, int] = {}
    changed: dict[str, int] = {}


class Statistics(Shape):
    """tokenizer: statistics.json"""

    kind: str
    vocab_size: int
    special_tokens: list[str] = []
    bytes_per_token: dict[str, float] = {}


class Split(Size):
    tokens: int


class Tokens(Shape):
    """tokens: tokens.json"""

    dtype: str
    vocab_size: int
    splits: dict[str, Split]


class Row(Shape):
    """pretrain, sft, finetune: a row of metrics.jsonl, by its `kind`"""

    kind: str
    step: int
    tokens: int | None = None
    loss: float | None = None
    lr: float | None = None
    grad_norm: float | None = None
    bits_per_byte: float | None = None
    unigram_loss: float | None = None
    by_language: dict[str, float] = {}
    reason: str = ""
    documents: list[str] = []
    to: int | None = None


class Architecture(Shape):
    """pretrain, sft, finetune, release: config.json, as Hugging Face's families name things"""

    layers: int | None = Field(None, validation_alias=AliasChoices("num_hidden_layers", "n_layer", "layers"))
    width: int | None = Field(None, validation_alias=AliasChoices("hidden_size", "n_embd", "width"))


class Sample(Shape):
    """pretrain, sft, finetune: a row of samples.jsonl"""

    step: int
    prompt: str
    text: str


class Timing(Shape):
    """pretrain, sft, finetune: a row of journal/timing.jsonl"""

    step: int
    seconds: float
    tokens_per_second: float | None = None
    memory_bytes: float | None = None
    resident_bytes: float | None = None
    data_seconds: float | None = None
    mfu: float | None = None
    joules: float | None = None


class Norms(Shape):
    """pretrain, sft, finetune: a row of journal/norms.jsonl, figures by part and by block"""

    step: int
    parts: dict[str, dict[str, float | None]] = {}
    activations: dict[str, dict[str, float | None]] = {}


class Parity(Shape):
    """release: parity.json; what was not compared has a reason instead of figures"""

    max_difference: float | None = None
    tolerance: float | None = None
    against: str = ""
    tokens: int = 0
    reason: str = ""


class Time(Shape):
    """every stage: journal/time.json"""

    started: datetime
    seconds: float
    peak_memory_bytes: int | None = None


class Environment(Shape):
    """every stage: journal/environment.json"""

    platform: str = ""
    processor: str = ""
    bf16: list[str] = []
    cores: int | None = None
    memory_gib: float | None = None
    python: str = ""
    packages: dict[str, str] = {}


S = TypeVar("S", bound=Shape)


@dataclass
class Stage:
    """A stage's artifact being read, and what was found wrong on the way (a sentence for each file)."""

    name: str
    artifact: Artifact | None
    words: Words
    troubles: dict[str, str] = field(default_factory=dict)

    def has(self, file: str) -> bool:
        """Whether a file is there to be read; one that the manifest promises and that is gone is a trouble."""
        if self.artifact is None:
            return False
        if (self.artifact.path / file).is_file():
            return True
        if file in self.artifact.manifest.files:
            self.trouble("trouble_missing", file)
        return False

    def path(self, file: str) -> Path:
        assert self.artifact is not None
        return self.artifact.path / file

    def trouble(self, key: str, file: str, **values: Any) -> None:
        self.troubles[file] = self.words(key, file=f"{self.name}/{file}", **values)

    def json(self, file: str, shape: type[S]) -> S | None:
        """A JSON file as `shape`, or None when it is absent or damaged."""
        if not self.has(file):
            return None
        try:
            return shape.model_validate(json.loads(self.path(file).read_bytes()))
        except ValidationError as error:
            self.trouble("trouble_shape", file, place=_place(error))
        except (ValueError, OSError):
            self.trouble("trouble_damaged", file)
        return None

    def rows(self, file: str, shape: type[S]) -> list[S]:
        """The good rows of a JSONL file; a bad one (a torn last line, say) is a trouble with its line number."""
        if not self.has(file):
            return []
        found, bad = [], []
        for number, line in enumerate(self.path(file).read_bytes().split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                found.append(shape.model_validate(json.loads(line)))
            except ValueError:  # ValidationError is one, as are JSON's and UTF-8's errors
                bad.append(number)
        if bad:
            self.trouble("trouble_rows", file, line=bad[0], number=len(bad))
        return found

    def table(self, file: str, columns: list[str], *, where: Any = None, limit: int | None = None) -> list[dict[str, Any]]:
        """Rows of a Parquet file, filtered by a pyarrow expression."""
        import pyarrow
        import pyarrow.dataset

        if not self.has(file):
            return []
        try:
            scanner = pyarrow.dataset.dataset(self.path(file), format="parquet").scanner(columns=columns, filter=where)
            table = scanner.to_table() if limit is None else scanner.head(limit)
            rows: list[dict[str, Any]] = table.to_pylist()
            return rows
        except (pyarrow.ArrowException, OSError):
            self.trouble("trouble_damaged", file)
            return []

    def files(self, pattern: str) -> list[str]:
        """Names of the artifact's files that match a glob, sorted: those its manifest promises."""
        return sorted(fnmatch.filter(self.artifact.manifest.files, pattern)) if self.artifact else []

    @property
    def time(self) -> Time | None:
        return self.json(f"{JOURNAL}/time.json", Time)

    @property
    def environment(self) -> Environment | None:
        return self.json(f"{JOURNAL}/environment.json", Environment)


Stages = dict[str, Stage]


def read_stages(workspace: Workspace, words: Words) -> Stages:
    """The workspace's current stages in the river's order, others after them by name.

    Raises HeadwaterError when there is none.
    """
    root = workspace.root
    names = sorted(path.parent.name for path in root.glob(f"*/{MANIFEST}")) if root.is_dir() else []
    if not names:
        raise HeadwaterError("has no finished stage to report on", where=root, mend="grow it with `headwater run RECIPE --workspace DIR`")
    order = {name: place for place, name in enumerate(RIVER)}
    return {name: _open(workspace, name, words) for name in sorted(names, key=lambda name: (order.get(name, len(RIVER)), name))}


def _open(workspace: Workspace, name: str, words: Words) -> Stage:
    try:
        return Stage(name, workspace.current(name), words)
    except HeadwaterError:
        stage = Stage(name, None, words)
        stage.trouble("trouble_damaged", MANIFEST)
        return stage


def parameters(stage: Stage, file: str = "model.safetensors") -> int | None:
    """Numbers that a model has: counted in its weights' header, where tied ones stand once."""
    import math

    import safetensors

    if not stage.has(file):
        return None
    try:
        with safetensors.safe_open(stage.path(file), framework="numpy") as weights:
            return sum(math.prod(map(int, weights.get_slice(name).get_shape())) for name in weights.keys())  # noqa: SIM118
    except (safetensors.SafetensorError, OSError):
        stage.trouble("trouble_damaged", file)
        return None


def _place(error: ValidationError) -> str:
    """The first place in the file that is not as it should be: `steps.2.documents`."""
    return ".".join(str(part) for part in error.errors()[0]["loc"]) or "(top)"
