"""One row of a board: the seeds of one method and settings on one class of hardware, and what they give."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from ...benchmarks.metrics.metric import Units
from ...benchmarks.metrics.regression import LATE
from ...benchmarks.records.result import Result, SymmetryName, same_score
from ...benchmarks.records.results_folder import Record
from ...benchmarks.records.trials import chosen_trial
from ...methods.contract.builtin import is_control
from ..evidence.replication_tolerance import tolerance
from .audit_marks import constant, figures
from .wording import hardware, interval_over


@dataclass(frozen=True)
class Replication:
    """A cell of a row, run again.

    Arguments:
        machine: see `Result.machine`.
        independent: whether it is another one than those of the row's records.
        difference: its score less the recorded one.
        tolerance: what seeds and machines explain of that, see `evidence/replication_tolerance.py`.
        identical: whether the predictions are the recorded ones, byte by byte.
    """

    machine: str
    independent: bool
    difference: float
    tolerance: float
    identical: bool

    @property
    def within(self) -> bool:
        """Whether the difference is explained."""
        return self.identical or abs(self.difference) <= self.tolerance


@dataclass
class Row:
    """The seeds of one method and settings on one class of hardware.

    Arguments:
        records: by seed.
        apart: whether other code made another row of the same cell.
        latest: the version of its method that the folder's last results have.
        units: what is independent on the test split; None where no row has a score.
        scores: of the records that succeeded, by name.
        points: true and predicted values of the first seed.
        low, high: the interval; None where there are too few units.
        between: the intervals of other scores that have one, by name.
        group: the tie group; None where there are too few units or seeds.
        rejected: the other trials of the random search that chose this one.
    """

    records: list[Record]
    apart: bool = False
    latest: str | None = None
    units: Units | None = None
    scores: list[dict[str, float]] = field(default_factory=list)
    points: list[list[float]] = field(default_factory=list)
    low: float | None = None
    high: float | None = None
    between: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    group: int | None = None
    rejected: list[Row] = field(default_factory=list)

    @property
    def results(self) -> list[Result]:
        """The records' contents."""
        return [record.result for record in self.records]

    @property
    def first(self) -> Result:
        """The result of the first seed."""
        return self.records[0].result

    @property
    def succeeded(self) -> list[Record]:
        """The records that `scores` are of."""
        return [record for record in self.records if record.succeeded]

    @property
    def device(self) -> str:
        """The class of hardware."""
        return device_class(self.first)

    @property
    def spec(self) -> str:
        """The spec hash, with the code where that tells rows apart."""
        return self.first.spec.hash + (f"+{self.first.code}" if self.apart else "")

    @property
    def commit(self) -> str | None:
        """That of the clone that made it."""
        found = self.first.environment.get("commit")
        return found[:8] if isinstance(found, str) else None

    @property
    def code_mark(self) -> str | None:
        """What sets the code that made it apart: it is in no commit, or of an earlier version of the method."""
        if any(result.environment.get("dirty") for result in self.results):
            return "changed"
        version = self.first.method.version
        return f"version {version} of {self.latest}" if self.latest not in (None, version) else None

    @property
    def is_control(self) -> bool:
        """Whether its method is shown without a rank."""
        return is_control(self.first.method.name)

    @property
    def late(self) -> float | None:
        """The mean of the headline score on the late half of training; None where there is no such score."""
        name = self.first.task.metric + LATE
        found = [every[name] for every in self.scores if name in every]
        return rounded(np.mean(found)) if found else None

    @property
    def values(self) -> list[float]:
        """The headline scores."""
        return [every[self.first.task.metric] for every in self.scores]

    @property
    def seed_scores(self) -> list[float | None]:
        """The score of every seed; None for a failed one."""
        found = {r.result.seed: value for r, value in zip(self.succeeded, self.values, strict=True)}
        return [found.get(result.seed) for result in self.results]

    @property
    def other_scores(self) -> dict[str, float | None] | None:
        """The means of those that do not rank; None where there are none."""
        names = [
            name
            for name in (self.scores[0] if self.scores else {})
            if name not in (self.first.task.metric, self.first.task.metric + LATE)
        ]
        return {name: rounded(np.mean([every[name] for every in self.scores])) for name in names} or None

    @property
    def other_intervals(self) -> dict[str, tuple[float | None, float | None]] | None:
        """Those of the other scores that have one; None where none has."""
        return {name: self.between[name] for name in self.other_scores or {} if name in self.between} or None

    @property
    def over(self) -> str | None:
        """What the interval speaks of; None where there is none."""
        return interval_over(self.units, len(self.values)) if self.units and self.low is not None else None

    @cached_property
    def hardware(self) -> str:
        """That of most seeds: times of different machines are never mixed."""
        machines = Counter(hardware(result.environment) for result in self.results)
        return min(machines, key=lambda name: (-machines[name], name))

    def cost(self, name: str) -> float | None:
        """The median over the seeds on `hardware` of a figure of `CostPart`."""
        costs = [r.cost for r in self.results if r.cost and hardware(r.environment) == self.hardware]
        known = [value for cost in costs if (value := getattr(cost, name)) is not None]
        return rounded(median(known)) if known else None

    @property
    def machine_gflop(self) -> float | None:
        """What the machine could have multiplied during training, in 10^9 operations: its rate, measured in the same
        run, times the seconds; the median over the seeds on `hardware`."""
        known = [
            result.cost.fit_s * result.environment["gflops"]
            for result in self.results
            if result.cost and hardware(result.environment) == self.hardware and result.environment.get("gflops")
        ]
        return rounded(median(known)) if known else None

    @property
    def training_gflop(self) -> float | None:
        """The products of training, in 10^9 operations, as they were counted; the median over seeds."""
        budgets = [result.budget or {} for result in self.results]
        known = [flops / 1e9 for budget in budgets if isinstance(flops := budget.get("flops"), int | float)]
        return rounded(median(known)) if known else None

    @property
    def busy(self) -> bool | None:
        """Whether its times were taken beside other work: at a load above the cores; None where no record tells."""
        known = [
            result.environment["load"] > result.environment["cores"] + 0.5
            for result in self.results
            if hardware(result.environment) == self.hardware and {"load", "cores"} <= result.environment.keys()
        ]
        return any(known) if known else None

    @property
    def val_score(self) -> float | None:
        """The score on the validation split, mean over the seeds that know it."""
        values = [(result.selection or {}).get("val_score") for result in self.results]
        known = [float(value) for value in values if isinstance(value, int | float)]
        return float(np.mean(known)) if known else None

    @property
    def trials(self) -> int | None:
        """How many settings the random search tried that chose this row; None without one."""
        return 1 + len(self.rejected) if self.first.trial else None

    def audit(self, kind: SymmetryName) -> float | None:
        """The largest change of answers over seeds, under a kind of symmetry."""
        changes = [found[kind] for r in self.results if not constant(r) and kind in (found := figures(r.symmetry))]
        return rounded(max(changes)) if changes else None

    @property
    def sensitivity(self) -> float | None:
        """The smallest over seeds."""
        known = [r.symmetry.sensitivity for r in self.results if r.symmetry and r.symmetry.sensitivity is not None]
        return rounded(min(known)) if known else None

    def score_of(self, seed: int) -> float:
        """The headline score of a seed that succeeded."""
        return self.values[[record.result.seed for record in self.succeeded].index(seed)]

    def compared(self, record: Record, again: Result) -> Replication:
        """A record of this row that succeeded beside a run of its cell that did, as `Record.beside` gives it."""
        score = self.score_of(record.result.seed)
        assert again.score is not None
        interval = None if self.low is None or self.high is None else (self.low, self.high)
        same_networks = again.zoo.manifest_sha256 == record.result.zoo.manifest_sha256
        return Replication(
            again.machine,
            not any(again.may_share_machine(result) for result in self.results),
            again.score - score,
            tolerance(score, self.values, interval, same_networks=same_networks),
            again.predictions is not None and again.predictions == record.result.predictions,
        )

    @cached_property
    def replications(self) -> list[Replication]:
        """Of all cells, by all machines. Raises BadInput for damaged ones."""
        return [self.compared(record, again) for record in self.succeeded for again in record.replications()]

    @property
    def confirming(self) -> int | None:
        """How many machines, other than those of the records, had no score that is not explained; None where no cell
        was run again."""
        doubtful = {found.machine for found in self.replications if not found.within}
        independent = {found.machine for found in self.replications if found.independent}
        return len(independent - doubtful) if self.replications else None

    @property
    def furthest(self) -> float | None:
        """The largest difference of a replication from its record; None where no cell was run again."""
        return rounded(max((abs(found.difference) for found in self.replications), default=None))

    def warn_of_claims(self) -> None:
        """Warn of records that claim other scores than their predictions give."""
        for record, found in zip(self.succeeded, self.values, strict=True):
            claimed = record.result.score
            if claimed is not None and not same_score(claimed, found):
                warnings.warn(f"{record.path} claims {claimed:.6g}, its predictions give {found:.6g}", stacklevel=2)


def rows_of(records: Sequence[Record]) -> list[Row]:
    """The rows of a board, each with its seeds in order; seeds of different code are rows of their own."""
    found: dict[tuple[str, str, str], Row] = {}
    for record in sorted(records, key=lambda record: (record.result.spec.hash, record.result.seed)):
        key = (record.result.spec.hash, device_class(record.result), record.result.code)
        found.setdefault(key, Row([])).records.append(record)
    codes = Counter((spec, device) for spec, device, _ in found)
    for (spec, device, _), row in found.items():
        row.apart = codes[spec, device] > 1
    return [row for _, row in sorted(found.items(), key=lambda pair: pair[0])]


def chosen_rows(rows: Sequence[Row]) -> list[Row]:
    """Rows, of every random search the one whose trial is best on the validation split, with the others below it."""
    found: list[Row] = []
    searches: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row.first.trial is None:
            found.append(row)
        else:
            searches.setdefault((row.first.trial.search, row.device, row.first.code), []).append(row)
    for trials in searches.values():
        best = chosen_trial([row.first for row in trials]) or trials[0].first
        for row in trials:
            if row.first is best:
                row.rejected = [other for other in trials if other is not row]
                found.append(row)
    return sorted(found, key=lambda row: (row.first.spec.hash, row.device))


def device_class(result: Result) -> str:
    """CPU, or the GPU's name."""
    return str(result.environment.get("gpu") or "CPU")


def deviation(scores: list[float]) -> float | None:
    """The standard deviation of two or more; 0 where it is but the rounding error of equal scores."""
    if len(scores) < 2:
        return None
    found = np.std(scores, ddof=1)
    return 0.0 if found <= 1e-12 * np.abs(scores).max() else rounded(found)


def rounded(value: Any) -> float | None:
    """Eight digits: processors differ in the sixteenth, and boards made anywhere should be equal files."""
    return None if pd.isna(value) else float(f"{float(value):.8g}")
