"""Files: fsspec URLs in, atomic writes out, content hashes, and disk trouble as a sentence."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import xxhash

from headwater.core.errors import HeadwaterError

CHUNK = 1 << 20


def expand(pattern: str) -> list[str]:
    """The files that a path, folder, glob or fsspec URL names, sorted; hidden files are passed over.

    Raises HeadwaterError when it names none.
    """
    fs, path = _filesystem(pattern)
    try:
        if fs.isfile(path):  # whoever names a file means it, even with a glob's signs or a dot in its name
            return [fs.unstrip_protocol(path).removeprefix("file://")]
        if fs.isdir(path):
            found = fs.find(path)
        elif any(sign in path for sign in "*?["):
            found = [name for name in fs.glob(path) if not fs.isdir(name)]
        else:
            found = []
    except PermissionError:
        raise HeadwaterError("may not be read", where=pattern, mend="check its permissions") from None
    named = path.split("/")
    found = sorted(name for name in found if not any(part.startswith(".") for part in name.split("/") if part not in named))
    if not found:
        kind = "no file matches" if any(sign in path for sign in "*?[") else "no such file"
        raise HeadwaterError(kind, where=pattern, mend=f"check the path (relative ones start at {os.getcwd()})")
    return [fs.unstrip_protocol(name).removeprefix("file://") for name in found]


def read_bytes(url: str) -> bytes:
    fs, path = _filesystem(url)
    try:
        with fs.open(path, "rb") as file:
            data: bytes = file.read()
            return data
    except FileNotFoundError:
        raise HeadwaterError("no such file", where=url, mend="check the path") from None
    except IsADirectoryError:
        raise HeadwaterError("is a directory, not a file", where=url, mend="name a file in it") from None
    except PermissionError:
        raise HeadwaterError("may not be read", where=url, mend="check its permissions") from None


def _filesystem(url: str) -> tuple[Any, str]:
    try:
        fs, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise HeadwaterError(str(error).rstrip("."), where=url, mend="install the filesystem's fsspec package") from None
    return fs, path


def hash_file(path: str | Path) -> str:
    """xxh3-128 of a file's bytes, as hex."""
    fs, name = _filesystem(str(path))
    digest = xxhash.xxh3_128()
    try:
        with fs.open(name, "rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except IsADirectoryError:
        raise HeadwaterError("is a directory, not a file", where=path, mend="name a file in it") from None
    except FileNotFoundError:
        raise HeadwaterError("no such file", where=path, mend="check the path") from None
    except PermissionError:
        raise HeadwaterError("may not be read", where=path, mend="check its permissions") from None
    return digest.hexdigest()


def write_atomically(path: Path, data: bytes | str) -> None:
    """The whole file or none of it, also after a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_trouble(path.parent):
        try:
            with open(temporary, "wb") as file:
                file.write(data.encode() if isinstance(data, str) else data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def settle(folder: Path) -> None:
    """Have every file below a folder on the disk itself, so that a power cut after a rename finds them whole."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            with open(file, "rb") as handle:
                os.fsync(handle.fileno())


def write_json(path: Path, value: Any) -> None:
    write_atomically(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HeadwaterError("no such file", where=path, mend="check the path") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise HeadwaterError("is not valid JSON", where=path, mend="it was damaged: delete it and run again") from None


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL file of ours; a file that does not exist has none, and a last line still being written is no row yet."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


@contextmanager
def disk_trouble(where: Path) -> Iterator[None]:
    """Turn a full, read-only or forbidden disk into the user's sentence; other errors pass through.

    Some writers below us (Arrow, safetensors) hide the errno in their message, so that is looked at as well.
    """
    try:
        yield
    except HeadwaterError:
        raise
    except Exception as error:
        number = getattr(error, "errno", None)
        text = str(error)
        if number in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in text or "os error 28" in text:
            raise HeadwaterError("no space left on the disk", where=where, mend="free some and run the same command again") from error
        if number in (errno.EACCES, errno.EPERM, errno.EROFS) or "Permission denied" in text:
            raise HeadwaterError("may not be written", where=where, mend="check its permissions, or choose another place") from error
        if number in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP) or (
            number == errno.ENOENT and not where.parent.exists()
        ):
            raise HeadwaterError("is no place where a folder can be made", where=where, mend="choose another") from error
        raise
