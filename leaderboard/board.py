"""Boards: result records, re-scored from their predictions, as one DataFrame per task and zoo."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from ..benchmarks.evidence import Truth, read_predictions, read_truth, truth_path
from ..benchmarks.result import Options, Result, read_results
from ..benchmarks.scoring import score
from ..zoo.errors import BadInput

COLUMNS = {
    "method": "method, with the settings that differ from its defaults",
    "score": "mean over seeds, recomputed from the stored predictions",
    "std": "standard deviation over seeds",
    "seeds": "how many seeds",
    "failed": "failed runs, and why",
    "parameters": "trained parameters",
    "fit_s": "seconds of training, median over seeds",
    "networks_per_s": "networks predicted per second, median over seeds",
    "peak_mb": "peak memory, MB",
    "epochs": "epochs of training",
    "permutation": "largest change of an output, in the outputs' standard deviations, when hidden neurons are permuted",
    "sign": "the same for sign flips of sine and tanh neurons",
    "scale": "the same for positive rescaling of ReLU neurons",
    "hardware": "device, processor and threads",
    "spec": "identifies task, zoo, method, settings and source, as in the results folder",
}
LEAKS = (
    "within-run: epochs of every run lie in train and test, so the test networks' neighbours in time were seen in "
    "training; one score per run, averaged over runs"
)


@dataclass(frozen=True)
class Board:
    """One task on one zoo: `rows` has the columns of `COLUMNS`, the best row first."""

    task: str
    options: Options
    task_version: int
    zoo: str
    zoo_version: str
    recipe_sha256: str
    metric: str
    unit: str
    higher_is_better: bool
    n_train: int
    n_test: int
    rows: pd.DataFrame

    @property
    def title(self) -> str:
        return f"{self.task}{self.options} on {self.zoo}@{self.zoo_version}"

    @property
    def note(self) -> str:
        """What a reader must know about the splits; empty where they do not leak."""
        return LEAKS if self.options.split == "within-run" else ""

    @property
    def score_label(self) -> str:
        unit = {"1e-2": "x 10^-2"}.get(self.unit, self.unit)
        named = f"{self.metric}, {unit}" if unit else self.metric
        return f"{named}, {'higher' if self.higher_is_better else 'lower'} is better"


def load_boards(folder: Path) -> list[Board]:
    """Every board of a results folder, scores recomputed. Raises BadInput for damaged evidence."""
    truths: dict[Path, Truth] = {}
    groups: dict[tuple[Any, ...], list[tuple[Result, float | None]]] = {}
    for path, result in read_results(folder):
        key = (
            result.task.name,
            result.task.version,
            str(result.task.options),
            result.zoo.name,
            result.zoo.version,
            result.zoo.recipe_sha256,
        )
        groups.setdefault(key, []).append((result, _rescored(path, result, folder, truths)))
    return [_board(rows) for _, rows in sorted(groups.items())]


def _rescored(path: Path, result: Result, folder: Path, truths: dict[Path, Truth]) -> float | None:
    if result.status != "ok" or result.predictions is None:
        return None
    ids, arrays = read_predictions(path.with_name(result.predictions.file), result.predictions.sha256)
    key = truth_path(folder, result.zoo, result.task.options)
    if key not in truths:
        truths[key] = read_truth(folder, result.zoo, result.task.options)
    try:
        found = score(result.task, ids, arrays, truths[key])[result.task.metric]
    except BadInput as error:
        raise BadInput(f"{path}: {error}; remove it and run the cell again") from None
    if result.score is not None and abs(found - result.score) > 1e-6 * max(1.0, abs(found)):
        warnings.warn(f"{path} claims {result.score:.6g}, its predictions give {found:.6g}", stacklevel=2)
    return found


def _board(cells: list[tuple[Result, float | None]]) -> Board:
    specs: dict[str, list[tuple[Result, float | None]]] = {}
    for result, value in cells:
        specs.setdefault(result.spec_hash, []).append((result, value))
    first = cells[0][0]
    rows = pd.DataFrame([_row(spec, runs) for spec, runs in specs.items()], columns=list(COLUMNS))
    duplicated = rows["method"].duplicated(keep=False)
    rows.loc[duplicated, "method"] += " #" + rows.loc[duplicated, "spec"].str[:4]
    rows = rows.sort_values(["score", "method"], ascending=[not first.task.higher_is_better, True], na_position="last")
    return Board(
        task=first.task.name,
        options=first.task.options,
        task_version=first.task.version,
        zoo=first.zoo.name,
        zoo_version=first.zoo.version,
        recipe_sha256=first.zoo.recipe_sha256,
        metric=first.task.metric,
        unit=first.task.unit,
        higher_is_better=first.task.higher_is_better,
        n_train=first.zoo.n_train,
        n_test=first.zoo.n_test,
        rows=rows.reset_index(drop=True),
    )


def _row(spec: str, runs: list[tuple[Result, float | None]]) -> dict[str, Any]:
    first = runs[0][0]
    good = [(result, value) for result, value in runs if value is not None]
    scores = pd.Series([value for _, value in good], dtype=float)
    costs = pd.DataFrame([result.cost.model_dump() for result, _ in good if result.cost])
    symmetry = pd.DataFrame([result.symmetry for result, _ in good if result.symmetry])
    errors = [f"seed {result.seed} {result.status}: {result.error}" for result, value in runs if value is None]
    variant = f" ({first.method.variant})" if first.method.variant else ""
    row: dict[str, Any] = {
        "method": first.method.name + variant,
        "score": scores.mean() if len(scores) else None,
        "std": scores.std() if len(scores) > 1 else None,
        "seeds": len(scores),
        "failed": "; ".join(errors) or None,
        "epochs": (first.budget or {}).get("epochs"),
        "hardware": _hardware(first.environment),
        "spec": spec,
    }
    for column, source in (
        ("parameters", "parameters"),
        ("fit_s", "fit_s"),
        ("networks_per_s", "predict_networks_per_s"),
        ("peak_mb", "peak_memory_mb"),
    ):
        row[column] = _number(costs[source].median()) if source in costs else None
    for kind in ("permutation", "sign", "scale"):
        row[kind] = _number(symmetry[kind].astype(float).max()) if kind in symmetry else None
    return row


def _number(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


@cache
def _shortened(cpu: str) -> str:
    for noise in ("(R)", "(TM)", "Processor", "CPU"):
        cpu = cpu.replace(noise, "")
    return " ".join(cpu.split())


def _hardware(environment: dict[str, Any]) -> str:
    if gpu := environment.get("gpu"):
        return str(gpu)
    return f"{_shortened(environment.get('cpu', '?'))}, {environment.get('threads', '?')} threads"


def boards(folder: str | Path = "runs") -> dict[str, pd.DataFrame]:
    """The boards of a results folder as DataFrames, by title; the columns are explained in `board.COLUMNS`."""
    return {board.title: board.rows for board in load_boards(Path(folder))}
