"""Rows without holes: seeds 0 to k-1, so that nobody chooses among them."""

from __future__ import annotations

from collections.abc import Sequence

from ...benchmarks.records.results_folder import Record
from ...runtime.errors import BadInput
from ..board.command_line import command


def require_whole_rows(given: Sequence[Record], committed: Sequence[Record]) -> None:
    """Raises BadInput for a row of `given` whose seeds, with those that are committed, are not 0 to k-1.

    A seed that failed is there too.
    """
    seeds: dict[str, set[int]] = {}
    for record in (*given, *committed):
        seeds.setdefault(record.result.spec.hash, set()).add(record.result.seed)
    for record in given:
        there = seeds[record.result.spec.hash]
        missing = next(seed for seed in range(len(there) + 1) if seed not in there)
        if missing < len(there):
            line = command([record.result.model_copy(update={"seed": missing})]).splitlines()[-1]
            shown = ", ".join(str(seed) for seed in sorted(there)[:5]) + (", ..." if len(there) > 5 else "")
            raise BadInput(f"{record.path}: seed {missing} is missing beside {shown}: {line}")
