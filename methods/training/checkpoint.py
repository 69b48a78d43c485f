"""Training that goes on where it was cut off: its state after a batch, in a file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...runtime.files import atomically, make_folder

VERSION = 2  # of what a file holds; one of another version counts as none
WRITE_INTERVAL_S = 20.0  # seconds between two writes, at least: short trainings need none
WRITE_TIME_SHARE = 0.02  # of the time, at most, goes into writing: large models wait longer


@dataclass
class Checkpoints:
    """Where the trainings of a method keep their state.

    Attributes:
        due: when the next state is to be written, by the monotonic clock.
        number: of the last training that began: a method may have several, each with a file of its own.
        earlier_s: seconds of these trainings before they were cut off.
    """

    stem: Path
    due: float
    number: int = -1
    earlier_s: float = 0.0

    @property
    def path(self) -> Path:
        """The file of the last training that began."""
        return self.stem.with_name(f"{self.stem.name}-{self.number}.pt")

    def clear(self) -> None:
        """Remove the files of all trainings."""
        for path in self.stem.parent.glob(f"{self.stem.name}-*.pt"):
            path.unlink(missing_ok=True)


# In the context, not an argument: a method's `fit(task, train, val, *, seed, device)` has no place for it, and what a
# method trains inside of its `fit`, other methods too, shall be kept as well.
_checkpoints: ContextVar[Checkpoints | None] = ContextVar("checkpoints", default=None)


@contextlib.contextmanager
def kept_in(stem: Path) -> Iterator[Checkpoints]:
    """Trainings inside keep their state in files that begin so; removed when all end, kept when they are cut off."""
    kept = Checkpoints(stem, time.monotonic() + WRITE_INTERVAL_S)
    token = _checkpoints.set(kept)
    try:
        yield kept
    except Exception:
        kept.clear()
        raise
    else:
        kept.clear()
    finally:
        _checkpoints.reset(token)


def load(device: str) -> dict[str, Any] | None:
    """For a training that begins: the state that it left earlier on such a device, on the CPU; None without.

    The training restores its parts, and at last the random generators with `restore_random`. A damaged file counts as
    none, as do one of another version and one from another type of device, whose numbers and times would not go with
    this one's: training then starts over.
    """
    kept = _checkpoints.get()
    if kept is None:
        return None
    kept.number += 1
    if not kept.path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(kept.path, map_location="cpu", weights_only=True)
        if (state["version"], state["device"]) != (VERSION, torch.device(device).type):
            return None
        kept.earlier_s += state["seconds"]
    except Exception:  # torch raises many kinds
        return None
    return state


def restore_random(state: dict[str, Any], device: str) -> None:
    """Set the global random generators, of the CPU and of `device`, to where they were."""
    torch.set_rng_state(state["random"])
    if state["device"] == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)


def save(device: str, *, seconds: float, state: Callable[[], dict[str, Any]]) -> None:
    """Keep the state of a training on `device`, where `kept_in` surrounds it and the next write is due.

    Arguments:
        seconds: that the training took, those before it was cut off included.
        state: gives it, where it is written: a training may ask after every batch.
    """
    kept = _checkpoints.get()
    if kept is None or (started := time.monotonic()) < kept.due:
        return
    kind = torch.device(device).type
    written = {"version": VERSION, "device": kind, "seconds": seconds, "random": torch.get_rng_state()} | state()
    if kind == "cuda":
        written["cuda"] = torch.cuda.get_rng_state(device)
    make_folder(kept.path.parent)
    with atomically(kept.path) as stream:
        torch.save(written, stream)
    ended = time.monotonic()
    kept.due = ended + max(WRITE_INTERVAL_S, (ended - started) / WRITE_TIME_SHARE)
