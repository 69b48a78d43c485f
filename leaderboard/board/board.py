"""Boards: result records, re-scored from their predictions, as one DataFrame per task, options and zoo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ...benchmarks.metrics.metric import Units
from ...benchmarks.metrics.regression import LATE
from ...benchmarks.records.result import MethodPart, Options, Result, shown_unit
from ...benchmarks.records.results_folder import Record, ResultsFolder
from ..evidence.analysis import analysed, evaluated
from ..evidence.intervals import Intervals, tie_groups
from .clock import against_clock
from .columns import COLUMNS, CSV_ORDER
from .row_names import row_names
from .rows import Row, chosen_rows, rounded, rows_of
from .wording import how_many

SPLITS = {
    "within-run": "within-run: epochs of every run lie in train and test, so the test networks' neighbours in time "
    "were seen in training; one score per run, averaged over runs.",
    "cross-fitted": "cross-fitted: five fits, each tested on runs that it did not see, so that every run counts once.",
    "across-depths": "across-depths: tested on architectures that are deeper than any in training.",
    "across-widths": "across-widths: tested on architectures that are wider than any in training.",
    "across-families": "across-families: tested on architectures of other sets of operations than those in training.",
}


@dataclass(frozen=True)
class Board:
    """One task, with its options, on one zoo, the best row first.

    Arguments:
        rows: as a DataFrame, with the columns of `columns.COLUMNS`.
        evidence: the same rows with their records.
        units: what is independent on the test split; None where no row has a score.
        clock: which rows beat `epoch-clock`, in words; "" where that cannot be asked.
        superseded: whether the same folder has boards of a later version of the task.
    """

    task: str
    task_version: int | str
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
    evidence: list[Row] = field(repr=False)
    units: Units | None = field(repr=False)
    clock: str = ""
    superseded: bool = False

    @property
    def results(self) -> list[list[Result]]:
        """The results of each row, by seed."""
        return [row.results for row in self.evidence]

    @property
    def points(self) -> list[list[list[float]]]:
        """True and predicted values of the first seed of each row; none for other answers."""
        return [row.points for row in self.evidence]

    @property
    def chosen(self) -> str:
        """The task's options as text: those that say something."""
        return f"{self.options}{self._version}".strip()

    @property
    def is_plug_in(self) -> bool:
        """Whether the task is no part of the suite."""
        return isinstance(self.task_version, str)

    @property
    def question(self) -> str:
        """The task; of one that is no part of the suite with its version, which names its source."""
        return f"{self.task}@{self.task_version}" if self.is_plug_in else self.task

    @property
    def title(self) -> str:
        """What the board is headed."""
        return f"{self.question}{self.options}{self._version} on {self.zoo}@{self.zoo_version}"

    @property
    def _version(self) -> str:
        return f", version {self.task_version}" if self.superseded else ""

    @property
    def test_split(self) -> str:
        """How many test networks there are, and of how many units: "720 test networks (180 images)".

        Where a metric scores a part of them, that is said: "1,000 of 2,000 test networks (1,000 images)".
        """
        networks = f"{self.n_test:,} test networks"
        if self.units is None:
            return networks
        scored = len(self.units.codes)
        if scored < self.n_test and self.units.shared == 1:  # of pairs there may be fewer
            networks = f"{scored:,} of {networks}"
        return f"{networks} ({how_many(self.units.count, self.units.name)})"

    @property
    def leaks(self) -> bool:
        """Whether the test networks' neighbours in time were seen in training."""
        return self.options.split == "within-run"

    @property
    def notes(self) -> list[str]:
        """What a reader must know about the splits and the score."""
        return [note for note in (SPLITS.get(self.options.split or ""), self.clock) if note]

    @property
    def score_label(self) -> str:
        """The headline score with unit and direction."""
        direction = "higher" if self.higher_is_better else "lower"
        parts = [self.metric, shown_unit(self.unit), f"{direction} is better"]
        return ", ".join(part for part in parts if part)

    def best_on_validation(self, rows: Sequence[int]) -> int:
        """Which of `rows` is best on the validation split, or else has the first spec, whatever its score."""
        sign = 1 if self.higher_is_better else -1

        def rank(row: int) -> tuple[float, str]:
            known = self.evidence[row].val_score
            return (np.inf if known is None else -sign * known, self.evidence[row].first.spec.hash)

        return min(rows, key=rank)


def load_boards(folder: Path, results: Iterable[Result] | None = None) -> list[Board]:
    """The boards of a results folder, scores recomputed: every one, or those that `results` stand on.

    Raises BadInput for damaged evidence.
    """
    wanted = None if results is None else {result.spec.board for result in results}
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in ResultsFolder(folder).records():
        key = record.result.spec.board
        if wanted is None or key in wanted:
            groups.setdefault(key, []).append(record)
    methods = [record.result.method for records in groups.values() for record in records]
    versions = {method.name: method.version for method in sorted(methods, key=_version) if method.version.isdigit()}
    found = [_board(records, versions) for _, records in sorted(groups.items(), key=lambda pair: pair[0])]
    latest: dict[str, int] = {}
    for board in found:
        if isinstance(board.task_version, int):
            latest[board.task] = max(board.task_version, latest.get(board.task, 0))
    # A plug-in's title has its version, which is text.
    found = [replace(board, superseded=board.task_version in range(latest.get(board.task, 0))) for board in found]
    return sorted(found, key=lambda board: (board.task, board.superseded))


def _version(method: MethodPart) -> int:
    return int(method.version) if method.version.isdigit() else 0


def _board(records: list[Record], versions: dict[str, str]) -> Board:
    """`versions` has the latest one of each method of the suite in the folder."""
    task, zoo = records[0].result.task, records[0].result.zoo
    rows = chosen_rows(rows_of(records))
    for row in rows:
        row.latest = versions.get(row.first.method.name)
    scored = [row for row in rows if row.succeeded]
    if scored:
        analysis = analysed([row.succeeded for row in scored])
        for place, row in enumerate(scored):
            row.scores, row.points = analysis.scores[place], analysis.points[place].tolist()
            row.between = {
                name: (rounded(found.low[place]), rounded(found.high[place]))
                for name, found in analysis.others.items()
                if np.isfinite(found.low[place])
            }
            row.warn_of_claims()
            for other in row.rejected:
                other.scores = [evaluated(record, record.truth).scores for record in other.succeeded]
        for row in rows:
            row.units = analysis.units
        _add_intervals(scored, analysis.intervals, task.higher_is_better)
        clock = against_clock(scored, analysis.others.get(task.metric + LATE), higher_is_better=task.higher_is_better)
    names = [
        name + (f" @{row.first.code}" if row.apart else "")
        for name, row in zip(row_names([row.first for row in rows]), rows, strict=True)
    ]
    named = zip(names, rows, strict=True)
    cells = [{column.key: column.value(row) for column in COLUMNS} | {"method": name} for name, row in named]
    table = pd.DataFrame(cells, columns=CSV_ORDER).sort_values(
        ["score", "method", "spec", "device"],
        ascending=[not task.higher_is_better, True, True, True],
        na_position="last",
    )
    rows = [rows[i] for i in table.index]
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
        evidence=rows,
        units=analysis.units if scored else None,
        clock=clock if scored else "",
    )


def _add_intervals(scored: list[Row], intervals: Intervals, higher_is_better: bool) -> None:
    """Interval and tie group of each row; groups are counted within a class of hardware."""
    for row, low, high in zip(scored, intervals.low, intervals.high, strict=True):
        row.low, row.high = rounded(low), rounded(high)
    for device in sorted({row.device for row in scored}):
        places = [place for place, row in enumerate(scored) if row.device == device and not row.is_control]
        for place, group in tie_groups(intervals, places, higher_is_better).items():
            scored[place].group = group


def boards(folder: str | Path = "runs") -> dict[str, pd.DataFrame]:
    """The boards of a results folder as DataFrames, by title; the columns are explained in `columns.COLUMNS`.

    Example:
        >>> import weightbench as wb
        >>> _ = wb.run("weight-norms", task="property", zoo="digits-inrs", target="psnr", out="runs")
        >>> [(title, rows)] = wb.boards("runs").items()
        >>> title.partition("@")[0], rows["method"].tolist()
        ('property of psnr on digits-inrs', ['weight-norms'])
    """
    loaded = load_boards(Path(folder))
    often = Counter(board.title for board in loaded)
    return {b.title + (f" #{b.recipe_sha256[:8]}" if often[b.title] > 1 else ""): b.rows for b in loaded}
