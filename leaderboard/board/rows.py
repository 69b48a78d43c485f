"""One row of a board: the seeds of one method and settings on one class of hardware, in a few figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from ...benchmarks.records.result import MethodPart, Result
from .reported import reported_score


def device_class(result: Result) -> str:
    return str(result.environment.get("gpu") or "CPU")


def summary(runs: list[Result], scores: list[float]) -> dict[str, Any]:
    """A row without its name and its statistics over items: scores of its seeds, costs and symmetry errors."""
    first = runs[0]
    row: dict[str, Any] = {
        "score": rounded(np.mean(scores)) if scores else None,
        "std": deviation(scores) if len(scores) > 1 else None,
        "low": None,
        "high": None,
        "group": None,
        "more": None,
        "reported": reported_score(first),
        "seeds": len(scores),
        "failed": "; ".join(f"seed {run.seed} {run.status}: {run.error}" for run in runs if run.status != "ok") or None,
        "epochs": (first.budget or {}).get("epochs"),
        "device": device_class(first),
        "spec": first.spec_hash,
    }
    # Times of different machines are never mixed: those of the machine with most seeds stand for the row.
    machines = Counter(hardware(run.environment) for run in runs)
    row["hardware"] = min(machines, key=lambda name: (-machines[name], name))
    costs = [run.cost for run in runs if run.cost and hardware(run.environment) == row["hardware"]]
    for column, source in (
        ("parameters", "parameters"),
        ("fit_s", "fit_s"),
        ("networks_per_s", "predict_networks_per_s"),
        ("peak_mb", "peak_memory_mb"),
    ):
        known = [value for cost in costs if (value := getattr(cost, source)) is not None]
        row[column] = rounded(median(known)) if known else None
    for kind in ("permutation", "sign", "scale"):
        changes = [value for run in runs if (value := (run.symmetry or {}).get(kind)) is not None]
        row[kind] = rounded(max(map(float, changes))) if changes else None
    return row


def names(results: Sequence[Result]) -> list[str]:
    """What rows are called: the method's label; where several specs share one, with the settings, as few as do, that
    tell them apart, and with the start of the spec hash where none does (another source, say)."""
    alike: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        alike.setdefault(result.method.label, []).append(result.method.params)
    telling = {label: _telling(every) for label, every in alike.items()}
    found = [_named(result.method, telling[result.method.label]) for result in results]
    specs: dict[str, set[str]] = {}
    for name, result in zip(found, results, strict=True):
        specs.setdefault(name, set()).add(result.spec_hash)
    return [
        f"{name} #{result.spec_hash[:4]}" if len(specs[name]) > 1 else name
        for name, result in zip(found, results, strict=True)
    ]


def _telling(every: list[dict[str, Any]]) -> list[str]:
    """The first settings that tell all of `every` apart."""

    def kinds(settings: list[str]) -> int:
        return len({repr([params.get(name) for name in settings]) for params in every})

    chosen: list[str] = []
    for name in dict.fromkeys(name for params in every for name in params):
        if kinds([*chosen, name]) > kinds(chosen):
            chosen.append(name)
    return chosen


def _named(method: MethodPart, settings: list[str]) -> str:
    told = [f"{name}={_text(method.params[name])}" for name in settings if name in method.params]
    known = [method.variant] if method.variant else []
    return f"{method.name} ({', '.join(known + told)})" if told else method.label


def _text(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)


def deviation(scores: list[float]) -> float | None:
    """The standard deviation; nothing where it is but the rounding error of equal scores."""
    found = np.std(scores, ddof=1)
    return 0.0 if found <= 1e-12 * np.abs(scores).max() else rounded(found)


def rounded(value: Any) -> float | None:
    """Eight digits: processors differ in the sixteenth, and boards made anywhere should be equal files."""
    return None if pd.isna(value) else float(f"{float(value):.8g}")


@cache
def _shortened(cpu: str) -> str:
    for noise in ("(R)", "(TM)", "Processor", "CPU"):
        cpu = cpu.replace(noise, "")
    return " ".join(cpu.split())


def hardware(environment: dict[str, Any]) -> str:
    if gpu := environment.get("gpu"):
        return str(gpu)
    return f"{_shortened(str(environment.get('cpu', '?')))}, {environment.get('threads', '?')} threads"
