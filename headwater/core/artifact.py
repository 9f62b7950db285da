"""Artifacts and the workspace that keeps them.

    runs/demo/
      artifacts/corpus-1f0c…/         a finished artifact: the stage's files and manifest.json
      artifacts/pretrain-77ab….partial/   work in progress, renamed when whole: a torn artifact does not exist
      corpus -> artifacts/corpus-1f0c…    the newest of each stage

A fingerprint says *what was asked*: stage, config, contents of inputs and user files, code. A content hash says *what
came out*. Since a stage is asked for with the content hashes of its inputs, a stage whose inputs came out the same is not
run again even when an earlier stage was. Whatever lies in `journal/` (time, cost, environment, TensorBoard events) is in
no hash.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headwater.core.config import Config, validate
from headwater.core.errors import HeadwaterError
from headwater.core.fingerprint import hash_value
from headwater.core.progress import Reporter
from headwater.core.storage import disk_trouble, hash_file, read_json, settle, write_json

FORMAT = 1
MANIFEST = "manifest.json"
JOURNAL = "journal"
SCRATCH = "scratch"


class Input(Config):
    """An artifact that another was made from."""

    fingerprint: str
    content: str


class Manifest(Config):
    """What an artifact is; equal runs write equal manifests, byte for byte."""

    format: int = FORMAT
    stage: str
    fingerprint: str
    content: str
    inputs: dict[str, Input]
    config: dict[str, Any]
    user_files: dict[str, str]
    code: dict[str, str]
    files: dict[str, str]
    metrics: dict[str, Any]
    key_figure: str


@dataclass(frozen=True)
class Artifact:
    """A finished artifact on disk."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> Artifact:
        path = Path(path).resolve()
        if not (path / MANIFEST).is_file():
            raise HeadwaterError("is no artifact (it has no manifest.json)", where=path, mend="name a stage's folder of a workspace")
        try:
            return cls(path, validate(Manifest, read_json(path / MANIFEST), where=str(path / MANIFEST)))
        except HeadwaterError:
            raise HeadwaterError("is damaged", where=path / MANIFEST, mend=f"delete {path} and run again") from None

    def verify(self) -> None:
        """Compare every file with the manifest. Raises HeadwaterError naming the first that differs."""
        found = hash_files(self.path)
        for name in found.keys() - self.manifest.files.keys():
            raise HeadwaterError("was put in after the artifact was made", where=self.path / name, mend="take it out")
        for name, digest in self.manifest.files.items():
            if found.get(name) != digest:
                state = "is missing" if name not in found else "was changed after it was written"
                raise HeadwaterError(state, where=self.path / name, mend=f"delete {self.path} and run again")

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())


@dataclass(frozen=True)
class Work:
    """What a stage is given: where to write, what it was made from, whom to tell."""

    path: Path
    inputs: Mapping[str, Artifact]
    seed: int
    report: Reporter
    shared: Path | None = None
    """The `path` of the process that leads, for one that makes the same beside it (headwater/parallel)."""

    @property
    def journal(self) -> Path:
        path = self.path / JOURNAL
        path.mkdir(exist_ok=True)
        return path

    @property
    def scratch(self) -> Path:
        """For what only a resume needs; it goes when the artifact is whole."""
        path = (self.shared or self.path) / SCRATCH
        path.mkdir(parents=True, exist_ok=True)
        return path


@dataclass(frozen=True)
class Outcome:
    """What a stage gives back: figures for machines and the one figure for people."""

    metrics: dict[str, Any]
    key_figure: str


class Workspace:
    """A folder of artifacts, one newest of each stage."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def folder(self, stage: str, fingerprint: str) -> Path:
        return self.root / "artifacts" / f"{stage}-{fingerprint[:16]}"

    def find(self, stage: str, fingerprint: str) -> Artifact | None:
        """The artifact that was asked for with this fingerprint, if it exists whole."""
        path = self.folder(stage, fingerprint)
        if path.is_dir() and not (path / MANIFEST).is_file():
            raise HeadwaterError("has lost its manifest.json", where=path, mend="delete the folder and run again")
        return Artifact.open(path) if path.is_dir() else None

    def current(self, stage: str) -> Artifact | None:
        """The newest artifact of a stage."""
        link = self.root / stage
        return Artifact.open(link) if (link / MANIFEST).is_file() else None

    def partial(self, stage: str) -> list[Path]:
        """Work in progress of a stage."""
        return sorted((self.root / "artifacts").glob(f"{stage}-*.partial"))

    def make(self, request: Request, inputs: Mapping[str, Artifact], seed: int, report: Reporter) -> Artifact:
        """Run a stage into `<artifact>.partial`, seal it, and make it the stage's current artifact.

        What the stage left there before a kill is kept when it can resume, else cleared. Raises HeadwaterError for a full
        or forbidden disk.
        """
        final = self.folder(request.stage, request.fingerprint)
        partial = final.with_name(final.name + ".partial")
        with disk_trouble(self.root):
            final.parent.mkdir(parents=True, exist_ok=True)
            with _Lock(final):
                if self.find(request.stage, request.fingerprint) is not None:  # made while we were looking
                    self.point(request.stage, final)
                    return Artifact.open(final)
                if partial.exists() and not request.resumes:
                    shutil.rmtree(partial)
                partial.mkdir(exist_ok=True)
                try:
                    outcome = request.run(Work(partial, inputs, seed, report))
                except HeadwaterError:
                    if not request.resumes or not any(file.is_file() for file in partial.rglob("*")):
                        shutil.rmtree(partial, ignore_errors=True)
                    raise
                shutil.rmtree(partial / SCRATCH, ignore_errors=True)
                seal(partial, request, inputs, outcome)
                os.replace(partial, final)
        self.point(request.stage, final)
        return Artifact.open(final)

    @contextmanager
    def shared(self, request: Request) -> Iterator[Path]:
        """The folder of an artifact in the making, for several processes that each make parts of it; `make` then finds them there."""
        assert request.resumes, "a stage that cannot resume would clear what was made"
        final = self.folder(request.stage, request.fingerprint)
        partial = final.with_name(final.name + ".partial")
        with disk_trouble(self.root):
            final.parent.mkdir(parents=True, exist_ok=True)
            with _Lock(final, shared=True):
                partial.mkdir(exist_ok=True)
                yield partial

    def point(self, stage: str, artifact: Path) -> None:
        """Make `root/stage` name this artifact, atomically."""
        link = self.root / stage
        if link.exists() and not link.is_symlink():
            raise HeadwaterError("stands in the way of a stage's link", where=link, mend="move it away or choose another --workspace")
        if link.is_symlink() and link.resolve() == artifact.resolve():
            return
        temporary = self.root / f".{stage}.{os.getpid()}"
        with disk_trouble(self.root):
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(os.path.relpath(artifact, self.root))
            os.replace(temporary, link)


@dataclass(frozen=True)
class Request:
    """A stage asked for: everything that decides what comes out, and the function that makes it."""

    stage: str
    config: dict[str, Any]
    inputs: Mapping[str, str]
    user_files: Mapping[str, str]
    code: Mapping[str, str]
    resumes: bool
    run: Callable[[Work], Outcome]

    @property
    def fingerprint(self) -> str:
        return hash_value([FORMAT, self.stage, self.config, dict(self.inputs), dict(self.user_files), dict(self.code)])


def seal(partial: Path, request: Request, inputs: Mapping[str, Artifact], outcome: Outcome) -> None:
    """Write the manifest: from here on the folder is an artifact as soon as it is renamed."""
    settle(partial)
    files = hash_files(partial)
    manifest = Manifest(
        stage=request.stage,
        fingerprint=request.fingerprint,
        content=hash_value(files),
        inputs={name: Input(fingerprint=a.manifest.fingerprint, content=a.manifest.content) for name, a in inputs.items()},
        config=request.config,
        user_files=dict(request.user_files),
        code=dict(request.code),
        files=files,
        metrics=outcome.metrics,
        key_figure=outcome.key_figure,
    )
    write_json(partial / MANIFEST, manifest.model_dump(mode="json"))


def hash_files(folder: Path) -> dict[str, str]:
    """`{relative name: content hash}` of an artifact's files, without its manifest and journal."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    names = {file.relative_to(folder).as_posix(): file for file in files}
    return {name: hash_file(file) for name, file in names.items() if name != MANIFEST and not name.startswith(JOURNAL + "/")}


class _Lock:
    """One process at a time at an artifact, or several that share it; the kernel frees it when the holder dies, however it dies.

    The file stands beside the folder, so that nobody has to touch the folder before holding it.
    """

    def __init__(self, artifact: Path, shared: bool = False) -> None:
        self.path = artifact.with_name(artifact.name + ".lock")
        self.shared = shared

    def __enter__(self) -> None:
        import fcntl

        self.file = open(self.path, "w")
        try:
            fcntl.flock(self.file, (fcntl.LOCK_SH if self.shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            self.file.close()
            raise HeadwaterError("another process is making this very artifact", where=self.path,
                                 mend="wait for it, or stop it") from None  # fmt: skip

    def __exit__(self, *_: object) -> None:
        if not self.shared:  # others may still hold it
            self.path.unlink(missing_ok=True)
        self.file.close()
