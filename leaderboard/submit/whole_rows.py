"""Rows without holes, seeds 0 to k-1 and all trials of a search, so that nobody chooses among them; and of one code."""

from __future__ import annotations

from collections.abc import Sequence

from ...benchmarks.records.results_folder import Record
from ...runtime.errors import BadInput
from ..board.command_line import command


def require_one_code(given: Sequence[Record], committed: Sequence[Record]) -> None:
    """Raises BadInput for a new seed of a row whose other seeds, given or committed, were run by other code."""
    rows: dict[str, Record] = {}
    for record in (*committed, *given):
        first = rows.setdefault(record.result.spec.hash, record)
        if record.result.code != first.result.code:
            commit = str(first.result.environment.get("commit"))[:8]
            raise BadInput(
                f"{record.path}: seed {record.result.seed} was run by other code than seed {first.result.seed} "
                f"of its row: run it with that of commit {commit}, or remove the committed ones and run all seeds anew"
            )


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


def require_whole_searches(given: Sequence[Record], committed: Sequence[Record]) -> None:
    """Raises BadInput for a random search of `given` of which, with what is committed, not all trials are there.

    A trial that failed is there too.
    """
    trials: dict[str, set[int]] = {}
    for record in (*given, *committed):
        if trial := record.result.trial:
            trials.setdefault(trial.search, set()).add(trial.number)
    for record in given:
        if trial := record.result.trial:
            missing = sorted(set(range(1, trial.of + 1)) - trials[trial.search])
            if missing:
                raise BadInput(
                    f"{record.path}: trial {missing[0]} of {trial.of} is missing beside trial {trial.number}: "
                    "submit the whole results folder of the search, or run it again"
                )
