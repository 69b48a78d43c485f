"""Zoo folders that are being written: one writer at a time, and nothing that loads before it is complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ...runtime.errors import BadInput
from ...runtime.files import cache_dir, digest, make_folder
from .manifest import MANIFEST


@contextmanager
def sole_writer(out: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock of the zoo folder `out`. Raises BadInput, unless `wait`, while another process holds it."""
    lock = FileLock(make_folder(cache_dir() / "locks") / digest(str(out.resolve()))[:16])
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise BadInput(f"{out}: another process is writing it: wait for that one, or choose another --out") from None
    try:
        yield
    finally:
        lock.release()


def move_in(finished: Path, out: Path) -> None:
    """Put the finished files in place, the manifest last: a folder without it is not a zoo."""
    (out / "data").mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    names = [path.relative_to(finished) for path in finished.rglob("*") if path.is_file()]
    for name in sorted(names, key=lambda name: name.name == MANIFEST):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(finished / name, out / name)
