"""Changing what a results folder says, as a careful forger would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from weightbench.benchmarks.records.predictions import read_predictions, write_predictions
from weightbench.benchmarks.records.results_folder import read_result


def record_of(runs: Path, task: str = "inr-classification") -> Path:
    return next(runs.glob(f"{task}/*/*/*/seed-0.json"))


def edit(path: Path, **changes) -> None:
    """Change fields of a record, named like `method__name`; the file stays where it is."""
    record = json.loads(path.read_text())
    for place, value in changes.items():
        *parents, last = place.split("__")
        part = record
        for parent in parents:
            part = part[parent]
        part[last] = value
    path.write_text(json.dumps(record))


def rehome(path: Path) -> Path:
    """Move a record and its predictions to where their content says, as a careful forger would."""
    home = path.parents[4] / read_result(path).path
    home.parent.mkdir(parents=True, exist_ok=True)
    for file in path.parent.glob("seed-0.*"):
        file.rename(home.with_name(file.name))
    return home


def forge_predictions(path: Path, change: Callable[[list[str], dict], tuple[list[str], dict]], **claims) -> None:
    """Rewrite the predictions of a record, with the checksum that the record needs."""
    file = path.with_suffix(".safetensors")
    record = json.loads(path.read_text())
    ids, arrays = change(*read_predictions(file, record["predictions"]["sha256"]))
    sha256 = write_predictions(file, ids, arrays)
    edit(path, predictions__sha256=sha256, **claims)


def failed(path: Path, **changes) -> None:
    """The record of a run that failed, as `weightbench run` writes it."""
    nothing = dict.fromkeys(("selection", "budget", "score", "scores", "symmetry", "predictions", "cost", "curves"))
    edit(path, **{"status": "failed", "error": "RuntimeError: no luck (mine.py:7)", **nothing, **changes})
    path.with_suffix(".safetensors").unlink()


def refused(runs: Path, home: Path, submit, message: str) -> None:
    code, out, err = submit(runs)
    assert code == 2, out
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not home.exists(), "all or nothing"
