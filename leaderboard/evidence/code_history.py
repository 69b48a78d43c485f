"""The files of the suite's methods in the history of this clone: a record's checksum is of one of them. Torch-free."""

from __future__ import annotations

import hashlib
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ...methods.contract.builtin import builtin_methods
from ...runtime.files import ROOT, file_sha256


def known_sources(name: str) -> frozenset[str]:
    """Checksums of a built-in method's file: of today's, and of every version in the history of the clone's commit."""
    return _known_sources().get(f"{name.replace('-', '_')}.py", frozenset()) | {_today(name)}


@cache
def history_is_whole() -> bool:
    """Whether this is a clone with all of its history; an installed package and a shallow clone are not."""
    return (ROOT / ".git").exists() and _git(["rev-parse", "--is-shallow-repository"]).strip() == b"false"


@cache
def _today(name: str) -> str:
    spec = find_spec(builtin_methods()[name])
    return file_sha256(Path(str(spec.origin))) if spec else ""


@cache
def _known_sources() -> dict[str, frozenset[str]]:
    """By the file's name, wherever it lay."""
    files = [f":(glob)**/{name.replace('-', '_')}.py" for name in builtin_methods()]
    log = ["log", "--format=", "--raw", "--no-abbrev", "-m", "--full-history", "HEAD", "--", *files]
    blobs: dict[str, set[str]] = {}
    for line in _git(log).decode().splitlines():  # ":<modes> <blob before> <blob after> <what>\t<path>"
        about, _, path = line.partition("\t")
        blobs.setdefault(about.split()[3], set()).add(Path(path.split("\t")[-1]).name)
    blobs.pop("0" * 40, None)
    found: dict[str, set[str]] = {}
    content = _git(["cat-file", "--batch"], "\n".join(blobs).encode()) if blobs else b""
    for names in blobs.values():  # "<blob> blob <size>", the content, and a line's end, in the order of the blobs
        header, _, content = content.partition(b"\n")
        size = int(header.split()[-1])
        for name in names:
            found.setdefault(name, set()).add(hashlib.sha256(content[:size]).hexdigest())
        content = content[size + 1 :]
    return {name: frozenset(checksums) for name, checksums in found.items()}


def _git(arguments: list[str], given: bytes = b"") -> bytes:
    """What git says of this clone; nothing where there is none."""
    try:
        return subprocess.run(["git", "-C", str(ROOT), *arguments], input=given, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""
