"""Files and folders: the clone, the cache, writes that a crash leaves complete or undone, checksums."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from .errors import BadInput

ROOT = Path(__file__).resolve().parents[2]


def cache_dir() -> Path:
    """Where built zoos and derived files live: `WEIGHTBENCH_CACHE`, else the user's cache folder."""
    if folder := os.environ.get("WEIGHTBENCH_CACHE"):
        return Path(folder).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("weightbench")


def make_folder(folder: Path) -> Path:
    """Create `folder`; raises BadInput when it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadInput(f"{folder}: cannot write there ({error.strerror}): choose another folder with --out") from None
    return folder


@contextlib.contextmanager
def atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write, so that `path` holds either what it held before or all of it, whenever the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` through `atomically`."""
    with atomically(path) as stream:
        stream.write(data)


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest(content: Any) -> str:
    """sha256 of a value's canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
