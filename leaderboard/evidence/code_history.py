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
    """Checksums of a built-in method's file: of today's, and of every file of a method in the history of the clone's
    commit, under any name, since methods are renamed and split."""
    return _known_sources() | {_today(name)}


@cache
def history_is_whole() -> bool:
    """Whether this is a clone with all of its history; an installed package and a shallow clone are not."""
    return (ROOT / ".git").exists() and _git(["rev-parse", "--is-shallow-repository"]).strip() == b"false"


@cache
def _today(name: str) -> str:
    spec = find_spec(builtin_methods()[name])
    return file_sha256(Path(str(spec.origin))) if spec else ""


@cache
def _known_sources() -> frozenset[str]:
    files = [f":(glob)**/{name.replace('-', '_')}.py" for name in builtin_methods()]
    log = ["log", "--format=", "--raw", "--no-abbrev", "-m", "--full-history", "HEAD", "--", *files]
    # ":<modes> <blob before> <blob after> <what>\t<path>"
    blobs = {line.split()[3] for line in _git(log).decode().splitlines()} - {"0" * 40}
    content = _git(["cat-file", "--batch"], "\n".join(blobs).encode()) if blobs else b""
    found = set()
    while content:  # "<blob> blob <size>", the content, and a line's end
        header, _, content = content.partition(b"\n")
        size = int(header.split()[-1])
        found.add(hashlib.sha256(content[:size]).hexdigest())
        content = content[size + 1 :]
    return frozenset(found)


def _git(arguments: list[str], given: bytes = b"") -> bytes:
    """What git says of this clone; nothing where there is none."""
    try:
        return subprocess.run(["git", "-C", str(ROOT), *arguments], input=given, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""
