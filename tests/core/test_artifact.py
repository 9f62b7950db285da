"""An artifact is whole or does not exist, equal work gives equal bytes, and two processes never share a folder."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headwater.core.artifact import Artifact, Outcome, Request, Work, Workspace
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter

Run = Callable[[Work], Outcome]


def write_two(work: Work) -> Outcome:
    (work.path / "a.txt").write_text("one")
    (work.path / "sub").mkdir(exist_ok=True)
    (work.path / "sub" / "b.bin").write_bytes(bytes(range(256)))
    (work.scratch / "checkpoint").write_text("for a resume")
    (work.journal / "time.json").write_text(str(os.getpid()))
    return Outcome({"n": 2}, "two files")


def request(run: Run = write_two, resumes: bool = False, **changed: object) -> Request:
    whole = Request("corpus", {"n": 1, "m": {"x": 2}}, {"up": "c0"}, {"f.txt": "h0"}, {"headwater.x": "k0"}, resumes, run)
    return dataclasses.replace(whole, **changed)  # type: ignore[arg-type]


def make(root: Path, asked: Request, inputs: dict[str, Artifact] | None = None) -> Artifact:
    return Workspace(root).make(asked, inputs or {}, 1, Reporter())


# A process of its own that makes the artifact of `request()`; its stage writes half a file, says so, and does as told.
CHILD = """
import os, signal, sys, time
from pathlib import Path
from headwater.core.artifact import Outcome, Request, Workspace
from headwater.core.progress import Reporter

def run(work):
    (work.path / "a.txt").write_text("half")
    (work.path / "of the dead.txt").write_text("half")
    (work.scratch / "checkpoint").write_text("7")
    print("inside", flush=True)
    os.kill(os.getpid(), signal.SIGKILL) if sys.argv[2] == "die" else time.sleep(60)
    return Outcome({}, "")

request = Request("corpus", {"n": 1, "m": {"x": 2}}, {"up": "c0"}, {"f.txt": "h0"}, {"headwater.x": "k0"}, sys.argv[3] == "resumes", run)
Workspace(Path(sys.argv[1])).make(request, {}, 1, Reporter())
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[[str, bool], subprocess.Popen[str]]]:
    """Starts CHILD and waits until it is inside its stage."""
    started: list[subprocess.Popen[str]] = []

    def start(then: str, resumes: bool) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", CHILD, str(tmp_path), then, "resumes" if resumes else "restarts"]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout and process.stdout.readline() == "inside\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.fault
@pytest.mark.parametrize("resumes", [False, True])
def test_a_killed_stage_leaves_no_artifact(tmp_path: Path, child: Callable[[str, bool], subprocess.Popen[str]], resumes: bool) -> None:
    killed = child("die", resumes)
    assert killed.wait() == -signal.SIGKILL
    workspace = Workspace(tmp_path)
    assert workspace.find("corpus", request().fingerprint) is None
    assert workspace.current("corpus") is None
    (partial,) = workspace.partial("corpus")

    def after(work: Work) -> Outcome:
        assert work.path == partial
        assert (work.scratch / "checkpoint").exists() is resumes, "what a resume needs is kept, everything else is cleared"
        assert (work.path / "of the dead.txt").exists() is resumes
        (work.path / "of the dead.txt").unlink(missing_ok=True)
        return write_two(work)

    made = make(tmp_path, request(after, resumes))
    assert workspace.partial("corpus") == []
    undisturbed = make(tmp_path / "undisturbed", request(resumes=resumes))
    assert made.manifest == undisturbed.manifest
    assert {path.name for path in made.path.iterdir()} == {"a.txt", "sub", "journal", "manifest.json"}


@pytest.mark.fault
@pytest.mark.parametrize("resumes", [False, True])
def test_a_second_process_is_refused_and_a_dead_holders_lock_is_free(
    tmp_path: Path, child: Callable[[str, bool], subprocess.Popen[str]], resumes: bool
) -> None:
    holder = child("wait", resumes)
    (partial,) = Workspace(tmp_path).partial("corpus")
    with pytest.raises(HeadwaterError, match="another process is making this very artifact"):
        make(tmp_path, request(resumes=resumes))
    assert (partial / "of the dead.txt").exists(), "the refused process took the holder's files away"
    holder.kill()
    holder.wait()
    assert make(tmp_path, request(resumes=resumes)).manifest.key_figure == "two files"


def test_who_comes_second_finds_it_made(tmp_path: Path) -> None:
    """Two processes that both found nothing: the slower one must end with the artifact, not with a trace."""
    first = make(tmp_path, request())
    assert make(tmp_path, request()).path == first.path


def test_a_sealed_one_is_found_by_what_was_asked(tmp_path: Path) -> None:
    made = make(tmp_path, request())
    workspace = Workspace(tmp_path)
    assert workspace.find("corpus", request().fingerprint) == made
    assert workspace.current("corpus") == made
    assert made.manifest.files.keys() == {"a.txt", "sub/b.bin"}
    made.verify()


@pytest.mark.parametrize(
    "changed",
    [
        {"stage": "tokens"},
        {"config": {"n": 2, "m": {"x": 2}}},
        {"config": {"n": 1, "m": {"x": 2}, "seed": 1}},
        {"inputs": {"up": "c1"}},
        {"inputs": {"top": "c0"}},
        {"user_files": {"f.txt": "h1"}},
        {"code": {"headwater.x": "k1"}},
        {"code": {"headwater.x": "k0", "numpy": "3"}},
    ],
)
def test_everything_asked_is_in_the_fingerprint(changed: dict[str, object]) -> None:
    assert request(**changed).fingerprint != request().fingerprint
    assert request(config={"m": {"x": 2}, "n": 1}).fingerprint == request().fingerprint


def test_equal_runs_write_equal_manifests(tmp_path: Path) -> None:
    """Also when files are written in another order, at another place, with another journal."""

    def other_way_round(work: Work) -> Outcome:
        (work.journal / "events").mkdir()
        (work.journal / "events" / "x").write_text("noise")
        (work.path / "sub").mkdir()
        (work.path / "sub" / "b.bin").write_bytes(bytes(range(256)))
        (work.path / "a.txt").write_text("one")
        return Outcome({"n": 2}, "two files")

    one, other = make(tmp_path / "x", request()), make(tmp_path / "a longer name", request(other_way_round))
    assert (one.path / "manifest.json").read_bytes() == (other.path / "manifest.json").read_bytes()
    assert str(tmp_path) not in (one.path / "manifest.json").read_text()


def test_content_follows_names_and_bytes(tmp_path: Path) -> None:
    def writes(name: str, text: str) -> Run:
        def run(work: Work) -> Outcome:
            (work.path / name).write_text(text)
            return Outcome({}, "")

        return run

    contents = [
        make(tmp_path / str(i), request(writes(*pair))).manifest.content for i, pair in enumerate([("a", "x"), ("b", "x"), ("a", "y")])
    ]
    assert len(set(contents)) == 3


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (lambda path: (path / "a.txt").write_text("two"), "a.txt"),
        (lambda path: os.truncate(path / "sub" / "b.bin", 255), "b.bin"),
        (lambda path: (path / "sub" / "b.bin").unlink(), "b.bin"),
        (lambda path: (path / "sub" / "c.bin").write_text("put in later"), "c.bin"),
    ],
    ids=["changed", "torn", "missing", "added"],
)
@pytest.mark.fault
def test_verify_names_the_file(tmp_path: Path, damage: Callable[[Path], object], name: str) -> None:
    made = make(tmp_path, request())
    (made.path / "journal" / "note").write_text("may change")
    made.verify()
    damage(made.path)
    with pytest.raises(HeadwaterError, match=name):
        made.verify()


def test_inputs_are_remembered(tmp_path: Path) -> None:
    corpus = make(tmp_path, request())
    tokens = make(tmp_path, request(stage="tokens"), {"corpus": corpus})
    assert tokens.manifest.inputs["corpus"].fingerprint == corpus.manifest.fingerprint
    assert tokens.manifest.inputs["corpus"].content == corpus.manifest.content


def test_a_mistake_of_the_users_leaves_nothing_to_restart_from(tmp_path: Path) -> None:
    def mistaken(work: Work) -> Outcome:
        write_two(work)
        raise HeadwaterError("no document left")

    with pytest.raises(HeadwaterError, match="no document left"):
        make(tmp_path, request(mistaken))
    assert Workspace(tmp_path).partial("corpus") == []
    with pytest.raises(HeadwaterError):
        make(tmp_path, request(mistaken, resumes=True))
    assert len(Workspace(tmp_path).partial("corpus")) == 1


def test_the_link_is_never_absent(tmp_path: Path) -> None:
    """A reader that looks all the time sees one artifact or the other."""
    one, other = make(tmp_path, request()), make(tmp_path, request(config={"n": 2}))
    code = (
        "import os, sys\nroot, seen = sys.argv[1], set()\nprint('ready', flush=True)\nwhile not os.path.exists(root + '/stop'):\n"
        " open(root + '/corpus/manifest.json').close()\n seen.add(os.readlink(root + '/corpus'))\nprint(*seen)"
    )
    reader = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert reader.stdout
    assert reader.stdout.readline() == "ready\n"
    for _ in range(300):
        Workspace(tmp_path).point("corpus", one.path)
        Workspace(tmp_path).point("corpus", other.path)
    (tmp_path / "stop").touch()
    seen, _ = reader.communicate(timeout=20)
    assert reader.returncode == 0
    assert set(seen.split()) == {f"artifacts/{one.path.name}", f"artifacts/{other.path.name}"}
    assert {path.name for path in tmp_path.iterdir()} == {"artifacts", "corpus", "stop"}


def test_a_users_folder_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "mine.txt").write_text("precious")
    with pytest.raises(HeadwaterError, match="stands in the way"):
        make(tmp_path, request())
    assert (tmp_path / "corpus" / "mine.txt").read_text() == "precious"


def test_a_workspace_may_move(tmp_path: Path) -> None:
    make(tmp_path / "old", request())
    (tmp_path / "old").rename(tmp_path / "new")
    found = Workspace(tmp_path / "new").current("corpus")
    assert found is not None
    found.verify()


@pytest.mark.parametrize("manifest", [None, "", "{}", '{"format": 1}'])
def test_what_is_no_artifact_is_a_sentence(tmp_path: Path, manifest: str | None) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(HeadwaterError, match=tmp_path.name):
        Artifact.open(tmp_path)


@pytest.mark.fault
def test_a_full_disk_is_a_sentence_and_no_artifact(disk: Callable[[str], Path]) -> None:
    root = disk("size=256k")

    def fill(work: Work) -> Outcome:
        (work.path / "big").write_bytes(b"x" * (1 << 20))
        return Outcome({}, "")

    with pytest.raises(HeadwaterError, match="no space left on the disk"):
        make(root, request(fill))
    assert Workspace(root).find("corpus", request().fingerprint) is None
    assert make(root, request()).manifest.key_figure == "two files", "once there is room, the same command goes on"


@pytest.mark.fault
def test_a_forbidden_workspace_is_a_sentence(forbidden: Path) -> None:
    with pytest.raises(HeadwaterError, match="may not be written"):
        make(forbidden, request())
