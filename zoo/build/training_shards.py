"""What a build has trained so far: one file for every segment of every chunk, so that it goes on where it stopped."""

from __future__ import annotations

import math
import shutil
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ...runtime.executor import Executor
from ...runtime.files import write_atomically
from ...runtime.progress import Advance, track
from ..training.zoo_builder import Arrays, ZooBuilder
from .build_plan import BuildPlan

FOLDER_PREFIX = "shards-"
STATE_PREFIX = "state."  # prefix of the arrays in a shard that the next segment starts from


class TrainingShards:
    """The trained rows of every (chunk, segment), one file each, in the folder `work`.

    Arguments:
        key: of the recipe and everything else that the trained parameters depend on; shards of another key are removed.
    """

    def __init__(self, builder: ZooBuilder[Any], work: Path, key: str) -> None:
        self.builder, self.folder = builder, work / f"{FOLDER_PREFIX}{key[:16]}"
        self.folder.mkdir(exist_ok=True)
        for stale in work.glob(f"{FOLDER_PREFIX}*"):
            if stale != self.folder:
                shutil.rmtree(stale)
        self.positions = {
            member: (number, position)
            for number, chunk in enumerate(builder.chunks)
            for position, member in enumerate(chunk)
        }
        self._open = lru_cache(maxsize=256)(lambda path: safe_open(path, framework="numpy"))

    def path(self, chunk: int, segment: int) -> Path:
        """Where the rows of one segment of one chunk lie."""
        return self.folder / f"{chunk:06d}-{segment:03d}.safetensors"

    def train(self, plan: BuildPlan, executor: Executor) -> str:
        """Train what is not there yet, in this process or in others; returns the engine that did."""
        chunks = range(len(self.builder.chunks))
        with track(f"train {plan.entry.name}", self.builder.networks, "networks") as advance:
            if executor.here:
                for number in chunks:
                    self.train_chunk(number, advance)
                return self.builder.engine
            engines = set()
            work = partial(_train_elsewhere, plan, self.folder.resolve())
            for _, (networks, fresh, engine) in executor.run(work, chunks, folder=self.folder):
                advance(networks, fresh=fresh)
                engines.add(engine)
        return "eager" if "eager" in engines else self.builder.engine

    def train_chunk(self, number: int, advance: Advance) -> None:
        """Train what is not there yet of one chunk."""
        for segment in range(self.builder.segments):
            path = self.path(number, segment)
            if (rows := _readable_rows(path)) is not None:
                advance(rows, fresh=False)
                continue
            state = self._state(number, segment - 1) if segment else {}
            found, after = self.builder.fit(self.builder.chunks[number], segment, state, advance)
            last = segment == self.builder.segments - 1
            kept = {} if last else {STATE_PREFIX + key: value for key, value in after.items()}
            write_atomically(path, save(found | kept))

    def _state(self, chunk: int, segment: int) -> Arrays:
        with safe_open(self.path(chunk, segment), framework="numpy") as shard:
            return {name.removeprefix(STATE_PREFIX): shard.get_tensor(name) for name in _names(shard, state=True)}

    def rows(self, member: Any) -> Arrays:
        """A member's rows over all segments."""
        chunk, position = self.positions[member]
        shards = [self._open(self.path(chunk, segment)) for segment in range(self.builder.segments)]
        shards = [shard for shard in shards if _names(shard)]  # a segment between two checkpoints has no rows
        return {
            name: np.concatenate([shard.get_slice(name)[position] for shard in shards]) for name in _names(shards[0])
        }


_sites: dict[Path, TrainingShards] = {}  # of a worker process: sources are read and steps compiled once


def _train_elsewhere(plan: BuildPlan, folder: Path, number: int) -> tuple[int, bool, str]:
    """Train one chunk in a worker process: how many networks it has, whether any was not there yet, and the engine."""
    if folder not in _sites:
        _sites[folder] = TrainingShards(plan.builder(), folder.parent, folder.name.removeprefix(FOLDER_PREFIX))
    site = _sites[folder]
    counted = {True: 0, False: 0}

    def advance(n: int = 1, note: str = "", fresh: bool = True) -> None:
        counted[fresh] += n

    site.train_chunk(number, advance)
    return sum(counted.values()), counted[True] > 0, site.builder.engine


def _names(shard: Any, *, state: bool = False) -> list[str]:
    return [name for name in shard.keys() if name.startswith(STATE_PREFIX) == state]  # noqa: SIM118


def _readable_rows(path: Path) -> int | None:
    """How many networks a finished shard holds; None for one that is missing or damaged."""
    try:
        with safe_open(path, framework="numpy") as shard:
            return math.prod(shard.get_slice("params").get_shape()[:2]) if _names(shard) else 0
    except (OSError, SafetensorError):
        return None
