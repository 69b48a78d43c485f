"""Counts, intervals and machines in words."""

from __future__ import annotations

from functools import cache
from typing import Any

from ...benchmarks.metrics.metric import Units
from ..evidence.intervals import MIN_SEEDS


def plural(name: str) -> str:
    """ "images", "pairs of runs"."""
    noun, _, rest = name.partition(" ")
    return f"{noun}s {rest}".strip()


def how_many(count: int, name: str) -> str:
    """ "1 image", "4 pairs of runs"."""
    return f"{count:,} {name if count == 1 else plural(name)}"


def interval_over(units: Units, seeds: int) -> str:
    """What an interval speaks of: "images and seeds", or "images" where the seeds are too few."""
    return plural(units.name) + (" and seeds" if seeds >= MIN_SEEDS else "")


def hardware(environment: dict[str, Any]) -> str:
    """The processor and its threads, or the GPU."""
    if gpu := environment.get("gpu"):
        return str(gpu)
    threads = environment.get("threads", "?")
    return f"{_shortened(str(environment.get('cpu', '?')))}, {threads} thread{'' if threads == 1 else 's'}"


@cache
def _shortened(cpu: str) -> str:
    for noise in ("(R)", "(TM)", "Processor", "CPU"):
        cpu = cpu.replace(noise, "")
    return " ".join(cpu.split())
