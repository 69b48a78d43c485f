"""Boards: result records, re-scored from their predictions, as one DataFrame per task, options and zoo."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..benchmarks.result import Options, Result, read_results, results_folder, shown_unit
from .analysed import Analysed, Cell, analysed
from .rows import device_class, rounded, summary
from .statistics import Analysis, tie_groups

COLUMNS = {
    "method": "method, with the settings that differ from its defaults",
    "score": "mean over seeds, recomputed from the stored predictions",
    "std": "standard deviation over seeds",
    "low": "lower end of the 95 % interval over test items: images or runs are redrawn, seeds kept (bootstrap)",
    "high": "upper end of that interval",
    "group": "tie group: rows that a paired test over the test items cannot tell from the first row of their group "
    "(all pairs together at 5 %, Holm); counted for each class of hardware apart",
    "reported": "what the paper printed for this method on this zoo, under its own regime; never ranked",
    "seeds": "how many seeds",
    "failed": "failed runs, and why",
    "parameters": "trained parameters",
    "fit_s": "seconds of training, median over seeds",
    "networks_per_s": "networks predicted per second, median over seeds",
    "peak_mb": "peak memory, MB",
    "epochs": "epochs of training",
    "permutation": "symmetry audit: largest change of an output, in the outputs' standard deviations, when hidden "
    "neurons are permuted, which changes no network's function; 0 is invariant",
    "sign": "the same for sign flips of sine and tanh neurons",
    "scale": "the same for positive rescaling of ReLU neurons",
    "device": "class of hardware: CPU, or the GPU's name",
    "hardware": "device, processor and threads that the times were taken on",
    "spec": "identifies task, zoo, method, settings and source, as in the results folder",
    "more": "other scores than the one that ranks, means over seeds, recomputed as well",
}

LEAKS = (
    "within-run: epochs of every run lie in train and test, so the test networks' neighbours in time were seen in "
    "training; one score per run, averaged over runs."
)


@dataclass(frozen=True)
class Board:
    """One task, with its options, on one zoo: `rows` has the columns of `COLUMNS`, the best row first.

    `results` are the records of each row, by seed; `points` true and predicted values of its first seed; `replicates`
    `[draws, rows]` the scores of the bootstrap's draws, None for a metric without items.
    """

    task: str
    task_version: int
    options: Options
    zoo: str
    zoo_version: str
    recipe_sha256: str
    metric: str
    unit: str
    higher_is_better: bool
    n_train: int
    n_test: int
    rows: pd.DataFrame
    results: list[list[Result]] = field(repr=False)
    cells: list[list[float | None]] = field(repr=False)
    points: list[list[list[float]]] = field(repr=False)
    replicates: np.ndarray | None = field(repr=False)

    @property
    def chosen(self) -> str:
        """The task's options as text: those that say something."""
        return str(self.options).strip()

    @property
    def title(self) -> str:
        return f"{self.task}{self.options} on {self.zoo}@{self.zoo_version}"

    @property
    def note(self) -> str:
        """What a reader must know about the splits; empty where they do not leak."""
        return LEAKS if self.options.split == "within-run" else ""

    @property
    def score_label(self) -> str:
        direction = "higher" if self.higher_is_better else "lower"
        parts = [self.metric, shown_unit(self.unit), f"{direction} is better"]
        return ", ".join(part for part in parts if part)


def load_boards(folder: Path) -> list[Board]:
    """Every board of a results folder, scores recomputed. Raises BadInput for damaged evidence."""
    groups: dict[tuple[str, ...], list[Cell]] = {}
    for path, result in read_results(folder):
        results_folder(path, result)  # raises for a record in another place
        key = (
            result.task.name,
            str(result.task.version),
            str(result.task.options),
            result.task.metric,
            result.task.unit,
            str(result.task.higher_is_better),
            result.zoo.name,
            result.zoo.version,
            result.zoo.recipe_sha256,
        )
        groups.setdefault(key, []).append(Cell(path, result, folder))
    return [_board(cells) for _, cells in sorted(groups.items(), key=lambda pair: pair[0])]


def _board(cells: list[Cell]) -> Board:
    first = cells[0].result
    by_row: dict[tuple[str, str], list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.result.spec_hash, cell.result.seed)):
        by_row.setdefault((cell.result.spec_hash, device_class(cell.result)), []).append(cell)
    keys = sorted(by_row)
    good = {key: [c for c in by_row[key] if c.result.status == "ok" and c.result.predictions] for key in keys}
    scored = [key for key in keys if good[key]]
    known = analysed([good[key] for key in scored]) if scored else Analysed([], np.empty((0, 0, 2)), None)
    values = {key: [every[first.task.metric] for every in row] for key, row in zip(scored, known.scores, strict=True)}
    others = {key: _others(row, first.task.metric) for key, row in zip(scored, known.scores, strict=True)}
    points = dict(zip(scored, known.points.tolist(), strict=True))
    analysis = known.statistics
    for key in scored:
        _warn_of_claims(good[key], values[key])
    statistics = _statistics(scored, analysis, first.task.higher_is_better)
    records, results, per_seed, places = [], [], [], []
    for key in keys:
        runs = [cell.result for cell in by_row[key]]
        found = {cell.result.seed: value for cell, value in zip(good[key], values.get(key, []), strict=True)}
        records.append(summary(runs, values.get(key, [])) | statistics.get(key, {}) | {"more": others.get(key)})
        results.append(runs)
        per_seed.append([found.get(run.seed) for run in runs])
        places.append(scored.index(key) if key in values else -1)
    rows = pd.DataFrame(records, columns=list(COLUMNS))
    labelled = rows[["method", "device"]].duplicated(keep=False)
    rows.loc[labelled, "method"] += " #" + rows.loc[labelled, "spec"].str[:4]
    rows = rows.sort_values(
        ["score", "method", "spec", "device"],
        ascending=[not first.task.higher_is_better, True, True, True],
        na_position="last",
    )
    order = rows.index.tolist()
    replicates = analysis.replicates[:, [places[i] for i in order if places[i] >= 0]] if analysis else None
    return Board(
        task=first.task.name,
        task_version=first.task.version,
        options=first.task.options,
        zoo=first.zoo.name,
        zoo_version=first.zoo.version,
        recipe_sha256=first.zoo.recipe_sha256,
        metric=first.task.metric,
        unit=first.task.unit,
        higher_is_better=first.task.higher_is_better,
        n_train=first.zoo.n_train,
        n_test=first.zoo.n_test,
        rows=rows.reset_index(drop=True),
        results=[results[i] for i in order],
        cells=[per_seed[i] for i in order],
        points=[points.get(keys[i], []) for i in order],
        replicates=replicates,
    )


def _others(scores: list[dict[str, float]], headline: str) -> dict[str, float | None] | None:
    """Means over seeds of all scores but the headline one; None where there are none."""
    names = [name for name in scores[0] if name != headline]
    return {name: rounded(np.mean([every[name] for every in scores])) for name in names} or None


def _warn_of_claims(cells: list[Cell], scores: list[float]) -> None:
    for cell, found in zip(cells, scores, strict=True):
        claimed = cell.result.score
        if claimed is not None and abs(found - claimed) > 1e-6 * max(1.0, abs(found)):
            warnings.warn(f"{cell.path} claims {claimed:.6g}, its predictions give {found:.6g}", stacklevel=2)


def _statistics(
    keys: list[tuple[str, str]], analysis: Analysis | None, higher_is_better: bool
) -> dict[tuple[str, str], dict[str, Any]]:
    """Interval and tie group of each row; groups are counted within a class of hardware."""
    if analysis is None:
        return {}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for device in sorted({device for _, device in keys}):
        rows = [row for row, key in enumerate(keys) if key[1] == device]
        for row, group in tie_groups(analysis, rows, higher_is_better).items():
            low, high = rounded(analysis.low[row]), rounded(analysis.high[row])
            found[keys[row]] = {"low": low, "high": high, "group": group}
    return found


def boards(folder: str | Path = "runs") -> dict[str, pd.DataFrame]:
    """The boards of a results folder as DataFrames, by title; the columns are explained in `board.COLUMNS`."""
    loaded = load_boards(Path(folder))
    often = Counter(board.title for board in loaded)
    return {b.title + (f" #{b.recipe_sha256[:8]}" if often[b.title] > 1 else ""): b.rows for b in loaded}
