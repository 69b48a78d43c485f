"""Recorded cells run again, and what each run says of its record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

from ...benchmarks.records.result import Result
from ...benchmarks.records.results_folder import Record, ResultsFolder
from ...benchmarks.running.cell import Cell
from ...benchmarks.running.run import run_cells
from ...runtime.execution import Execution
from ...runtime.open_executor import open_executor
from ...runtime.progress import track
from ..board.board import load_boards
from ..board.rows import Replication, Row
from .chosen_records import recorded_seconds


@dataclass(frozen=True)
class Verdict:
    """What a run says of a recorded cell.

    Arguments:
        recorded: the score that the recorded predictions give.
        again: the run's result.
        found: how the two compare; None where the run failed.
        same_networks: whether both saw the same test networks.
    """

    title: str
    recorded: float
    again: Result
    found: Replication | None
    same_networks: bool

    @property
    def within(self) -> bool:
        """Whether the record is confirmed."""
        return self.found is not None and self.found.within

    @property
    def extent(self) -> float:
        """The difference, in multiples of what is explained; 0 where there is none, infinite where the run failed."""
        if self.found is None:
            return float("inf")
        if self.found.difference == 0:
            return 0.0
        return abs(self.found.difference) / self.found.tolerance if self.found.tolerance else float("inf")

    def __str__(self) -> str:
        """One line: both scores, the difference, and whether that is explained."""
        if self.found is None:
            return f"{self.title}: {self.recorded:.4g}, now {self.again.status}: {self.again.error}"
        found = self.found
        how = f"{'within' if found.within else 'OUTSIDE'} {found.tolerance:.2g}"
        said = "identical predictions" if found.identical else f"difference {found.difference:+.2g}, {how}"
        build = "" if self.same_networks else ", on other networks: the zoo was built anew"
        return f"{self.title}: {self.recorded:.4g}, now {self.again.score:.4g}: {said}{build}"


class RecordedRows:
    """The rows of boards that records stand in. Raises BadInput for damaged evidence."""

    def __init__(self, folders: Sequence[ResultsFolder]) -> None:
        self.rows = {
            record.path.resolve(): row
            for folder in dict.fromkeys(folders)
            for board in load_boards(folder.path)
            for row in board.evidence
            for record in row.records
        }

    def verdict(self, record: Record, cell: Cell, again: Result) -> Verdict:
        """What a run of a record's cell says."""
        row: Row = self.rows[record.path.resolve()]
        if again.status == "ok":
            again = Record(cell.folder.record_path(cell.spec, cell.seed), again, cell.folder).beside(record)
        return Verdict(
            cell.title,
            row.score_of(record.result.seed),
            again,
            row.compared(record, again) if again.score is not None else None,
            again.zoo.manifest_sha256 == record.result.zoo.manifest_sha256,
        )


def replicate(
    cells: Sequence[tuple[Record, Cell]],
    rows: RecordedRows,
    *,
    jobs: int | None,
    hear: Callable[[Verdict], None],
) -> None:
    """Run cells again, each on the class of device and with the threads that its record names.

    Arguments:
        jobs: how many at once.
        hear: is given every verdict as soon as it is there; what is finished in the results folder is not run again.
    """
    seconds = [max(1, round(recorded_seconds(record.result))) for record, _ in cells]
    weights = {cell: weight for (_, cell), weight in zip(cells, seconds, strict=True)}
    records = {cell: record for record, cell in cells}
    with track("replicate", sum(seconds), "s of recorded time") as advance:

        def heard(cell: Cell, again: Result) -> None:
            hear(rows.verdict(records[cell], cell, again))
            advance(weights[cell])

        first: dict[str, int] = {}  # cells that share an encoder run side by side
        for number, (_, cell) in enumerate(cells):
            first.setdefault(cell.encoder, number)
        ordered = sorted(cells, key=lambda pair: (_place(pair), first[pair[1].encoder]))
        for (device, threads), group in groupby(ordered, _place):
            several = [cell for _, cell in group]
            execution = Execution("local", jobs, device=device)
            with _threads(threads), open_executor(execution) as workers:
                run_cells(several, device=device, executor=workers, hear=heard)


def _place(pair: tuple[Record, Cell]) -> tuple[str, int]:
    environment = pair[0].result.environment
    return str(environment.get("device", "cpu")), int(environment.get("threads") or 0)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """This process with as many threads: sums of other parts round otherwise."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
