"""Boards: result records, re-scored from their predictions, as one DataFrame per task, options and zoo."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...benchmarks.records.result import Options, Result, read_results, results_folder, shown_unit
from ..evidence.analysis import Analysed, Record, analysed
from ..evidence.intervals import Analysis, tie_groups
from .rows import device_class, names, rounded, summary

COLUMNS = {
    "method": "method, with the settings that differ from its defaults; rows of the same ones also name what else "
    "tells them apart, as the epochs",
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

    `results` are the records of each row, by seed, and `seed_scores` what their predictions give; `points` true and
    predicted values of its first seed; `replicates` `[draws, rows]` the scores of the bootstrap's draws, None for a
    metric without items.
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
    seed_scores: list[list[float | None]] = field(repr=False)
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
    groups: dict[tuple[str, ...], list[Record]] = {}
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
        groups.setdefault(key, []).append(Record(path, result, folder))
    return [_board(records) for _, records in sorted(groups.items(), key=lambda pair: pair[0])]


@dataclass
class _Row:
    """The seeds of one method and settings on one class of hardware, and what their predictions give.

    `place` is the row's among those with a score, the column of the bootstrap's draws; `scores` are of `good`.
    """

    records: list[Record]
    place: int = -1
    scores: list[dict[str, float]] = field(default_factory=list)
    points: list[list[float]] = field(default_factory=list)
    statistics: dict[str, Any] = field(default_factory=dict)

    @property
    def results(self) -> list[Result]:
        return [record.result for record in self.records]

    @property
    def device(self) -> str:
        return device_class(self.records[0].result)

    @property
    def good(self) -> list[Record]:
        return [r for r in self.records if r.result.status == "ok" and r.result.predictions]

    def values(self, metric: str) -> list[float]:
        return [every[metric] for every in self.scores]

    def seed_scores(self, metric: str) -> list[float | None]:
        """The score of every seed; None for a failed one."""
        found = {r.result.seed: value for r, value in zip(self.good, self.values(metric), strict=True)}
        return [found.get(result.seed) for result in self.results]

    def summary(self, metric: str) -> dict[str, Any]:
        """What `Board.rows` says of it, but for the name."""
        others = [name for name in (self.scores[0] if self.scores else {}) if name != metric]
        more = {name: rounded(np.mean(self.values(name))) for name in others}
        return summary(self.results, self.values(metric)) | self.statistics | {"more": more or None}

    def warn_of_claims(self, metric: str) -> None:
        for record, found in zip(self.good, self.values(metric), strict=True):
            claimed = record.result.score
            if claimed is not None and abs(found - claimed) > 1e-6 * max(1.0, abs(found)):
                warnings.warn(f"{record.path} claims {claimed:.6g}, its predictions give {found:.6g}", stacklevel=2)


def _rows(records: list[Record]) -> list[_Row]:
    """The rows of a board, each with its seeds in order."""
    found: dict[tuple[str, str], _Row] = {}
    for record in sorted(records, key=lambda record: (record.result.spec_hash, record.result.seed)):
        key = (record.result.spec_hash, device_class(record.result))
        found.setdefault(key, _Row([])).records.append(record)
    return [row for _, row in sorted(found.items(), key=lambda pair: pair[0])]


def _board(records: list[Record]) -> Board:
    task, zoo = records[0].result.task, records[0].result.zoo
    rows = _rows(records)
    scored = [row for row in rows if row.good]
    known = analysed([row.good for row in scored]) if scored else Analysed([], np.empty((0, 0, 2)), None)
    for place, row in enumerate(scored):
        row.place, row.scores, row.points = place, known.scores[place], known.points[place].tolist()
        row.warn_of_claims(task.metric)
    if known.statistics is not None:
        _add_statistics(scored, known.statistics, task.higher_is_better)
    called = names([row.results[0] for row in rows])
    table = pd.DataFrame(
        [{"method": name} | row.summary(task.metric) for name, row in zip(called, rows, strict=True)],
        columns=list(COLUMNS),
    )
    table = table.sort_values(
        ["score", "method", "spec", "device"],
        ascending=[not task.higher_is_better, True, True, True],
        na_position="last",
    )
    rows = [rows[i] for i in table.index]
    places = [row.place for row in rows if row.good]
    return Board(
        task=task.name,
        task_version=task.version,
        options=task.options,
        zoo=zoo.name,
        zoo_version=zoo.version,
        recipe_sha256=zoo.recipe_sha256,
        metric=task.metric,
        unit=task.unit,
        higher_is_better=task.higher_is_better,
        n_train=zoo.n_train,
        n_test=zoo.n_test,
        rows=table.reset_index(drop=True),
        results=[row.results for row in rows],
        seed_scores=[row.seed_scores(task.metric) for row in rows],
        points=[row.points for row in rows],
        replicates=known.statistics.replicates[:, places] if known.statistics is not None else None,
    )


def _add_statistics(scored: list[_Row], analysis: Analysis, higher_is_better: bool) -> None:
    """Interval and tie group of each row; groups are counted within a class of hardware."""
    for device in sorted({row.device for row in scored}):
        places = [row.place for row in scored if row.device == device]
        for place, group in tie_groups(analysis, places, higher_is_better).items():
            low, high = rounded(analysis.low[place]), rounded(analysis.high[place])
            scored[place].statistics = {"low": low, "high": high, "group": group}


def boards(folder: str | Path = "runs") -> dict[str, pd.DataFrame]:
    """The boards of a results folder as DataFrames, by title; the columns are explained in `board.COLUMNS`."""
    loaded = load_boards(Path(folder))
    often = Counter(board.title for board in loaded)
    return {b.title + (f" #{b.recipe_sha256[:8]}" if often[b.title] > 1 else ""): b.rows for b in loaded}
