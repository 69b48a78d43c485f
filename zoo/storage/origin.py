"""`origin.json`: where a downloaded zoo came from, beside its `zoo.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from ...runtime.files import write_atomically

ORIGIN = "origin.json"


class Origin(NamedTuple):
    """The repository ("ORG/NAME" or its address), the version's tag and the commit."""

    repository: str
    tag: str
    revision: str


def read_origin(folder: Path) -> Origin | None:
    """Where a zoo was downloaded from; None for one that was built here."""
    try:
        found = json.loads((folder / ORIGIN).read_text())
        return Origin(found["repository"], found.get("tag", ""), found["revision"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_origin(folder: Path, origin: Origin) -> None:
    """Note in `folder` where the zoo came from."""
    write_atomically(folder / ORIGIN, (json.dumps(origin._asdict(), indent=1) + "\n").encode())
