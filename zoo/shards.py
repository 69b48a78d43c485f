"""What a build has trained so far: one file for every segment of every chunk, so that it goes on where it stopped."""

from __future__ import annotations

import math
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from .builder import Arrays, Builder
from .machine import write_atomically
from .progress import track

STATE = "state."  # prefix of the arrays in a shard that the next segment starts from


class Shards:
    """The trained rows of every (chunk, segment), one file each, in the folder `work`.

    Arguments:
        key: of the recipe and everything else that the trained parameters depend on; shards of another key are removed.
    """

    def __init__(self, builder: Builder[Any], work: Path, key: str) -> None:
        self.builder, self.folder = builder, work / f"shards-{key[:16]}"
        self.folder.mkdir(exist_ok=True)
        for stale in work.glob("shards-*"):
            if stale != self.folder:
                shutil.rmtree(stale)
        self.places = {
            member: (number, position)
            for number, chunk in enumerate(builder.chunks)
            for position, member in enumerate(chunk)
        }
        self._open = lru_cache(maxsize=256)(lambda path: safe_open(path, framework="numpy"))

    def path(self, chunk: int, segment: int) -> Path:
        return self.folder / f"{chunk:06d}-{segment:03d}.safetensors"

    def train(self, name: str) -> None:
        """Train what is not there yet."""
        with track(f"train {name}", self.builder.networks, "networks") as advance:
            for number, chunk in enumerate(self.builder.chunks):
                for segment in range(self.builder.segments):
                    path = self.path(number, segment)
                    if (rows := _readable_rows(path)) is not None:
                        advance(rows, fresh=False)
                        continue
                    state = self._state(number, segment - 1) if segment else {}
                    found, after = self.builder.fit(chunk, segment, state, advance)
                    last = segment == self.builder.segments - 1
                    kept = {} if last else {STATE + key: value for key, value in after.items()}
                    write_atomically(path, save(found | kept))

    def _state(self, chunk: int, segment: int) -> Arrays:
        with safe_open(self.path(chunk, segment), framework="numpy") as shard:
            return {name.removeprefix(STATE): shard.get_tensor(name) for name in _names(shard, state=True)}

    def rows(self, member: Any) -> Arrays:
        """A member's rows over all segments."""
        chunk, position = self.places[member]
        shards = [self._open(self.path(chunk, segment)) for segment in range(self.builder.segments)]
        shards = [shard for shard in shards if _names(shard)]  # a segment between two checkpoints has no rows
        return {
            name: np.concatenate([shard.get_slice(name)[position] for shard in shards]) for name in _names(shards[0])
        }


def _names(shard: Any, *, state: bool = False) -> list[str]:
    return [name for name in shard.keys() if name.startswith(STATE) == state]  # noqa: SIM118


def _readable_rows(path: Path) -> int | None:
    """How many networks a finished shard holds; None for one that is missing or damaged."""
    try:
        with safe_open(path, framework="numpy") as shard:
            return math.prod(shard.get_slice("params").get_shape()[:2]) if _names(shard) else 0
    except (OSError, SafetensorError):
        return None
