"""A cell that the board has already, run again: kept beside its record as a replication, never in its place."""

from __future__ import annotations

from pathlib import Path

from ...benchmarks.records.results_folder import Record, read_result
from ...runtime.errors import BadInput


def replication_of(committed: Record, record: Record) -> Path | None:
    """Where a run of a committed cell belongs; None for what is there already, or says no more than that.

    The same predictions from the same machine may be a copy; from another machine they are a replication. Each machine
    has one of a cell. Raises BadInput where one of the two runs failed, and for a second one from a machine.
    """
    there, result = committed.result, record.result
    if there.predictions == result.predictions and result.may_share_machine(there):
        return None
    if result.status != "ok":
        if there.status != "ok":
            return None
        raise BadInput(
            f"{record.path}: failed, but {committed.path} did not: run the cell again, or remove this record"
        )
    if there.status != "ok":
        raise BadInput(f"{record.path}: {committed.path} holds a failed run of this cell; remove that one first")
    path = committed.folder.replication_path(result)
    if path.exists():
        if read_result(path).predictions == result.predictions:
            return None
        raise BadInput(f"{record.path}: {path} holds another run by this machine; remove that one first to replace it")
    return path
