"""The command that runs recorded cells again: `replicate`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weightbench.cli import options
from weightbench.cli.options import Jobs, Json
from weightbench.cli.time_limit import BudgetSpent, parsed_budget, within

if TYPE_CHECKING:
    from weightbench.benchmarks.records.results_folder import Record
    from weightbench.leaderboard.replicate.replication_run import Verdict


def replicate(
    results: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RESULT]...",
            help="Records .../seed-0.json, or results folders.  [default: leaderboard/results]",
            show_default=False,
        ),
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="Cells of this task; repeatable.")] = None,
    zoo: Annotated[
        list[str] | None, typer.Option(help="Cells on this zoo: a name, or the path of a zoo folder; repeatable.")
    ] = None,
    method: Annotated[list[str] | None, typer.Option(help="Cells of this method; repeatable.")] = None,
    split: Annotated[str | None, typer.Option(help="Cells of this split: within-run or across-runs.")] = None,
    target: Annotated[str | None, typer.Option(help="Cells with this target.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Cells of this protocol: supervised or representation.")] = None,
    longest: Annotated[str | None, typer.Option(help="Cells whose recorded times are no longer (60s, 5m).")] = None,
    sample: Annotated[int | None, typer.Option(metavar="N", min=1, help="Draw so many of the cells.")] = None,
    seed: Annotated[
        str, typer.Option(metavar="TEXT", help="What --sample draws by: a number or a text, as a commit's hash.")
    ] = "0",
    budget: Annotated[
        str | None,
        typer.Option(help="Cells whose recorded times fit into this (90s, 20m, 2h), and stop after it."),
    ] = None,
    foreign_code: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Run the kept file of this method, which is no part of the suite; repeatable."
        ),
    ] = None,
    jobs: Jobs = None,
    out: Annotated[Path, typer.Option(help="The results folder of the runs.")] = Path("replications"),
    as_json: Json = False,
) -> None:
    """Run recorded cells again, and say of each whether it gives what its record says; finished ones are kept."""
    seconds = parsed_budget(budget) if budget else None
    options.tune()
    from weightbench.benchmarks.records.results_folder import ResultsFolder
    from weightbench.leaderboard.replicate.chosen_records import Filters, in_order, records_in
    from weightbench.leaderboard.replicate.recorded_cells import RecordedCells, plan_again
    from weightbench.leaderboard.replicate.replication_run import RecordedRows
    from weightbench.leaderboard.replicate.replication_run import replicate as run_again
    from weightbench.runtime.progress import console

    if not results:
        from weightbench.leaderboard.submit.submission import home_folder

        results = [home_folder("replicate") / "results"]
    most = parsed_budget(longest, "--longest") if longest else None
    filters = Filters(task or (), zoo or (), method or (), split, target, protocol, most)
    records = in_order(records_in(results, filters), sample, seed)
    verdicts: list[Verdict] = []
    skipped: list[tuple[Record, str]] = []
    planned = 0

    def hear(verdict: Verdict) -> None:
        verdicts.append(verdict)
        console.print(f"[{len(verdicts)}/{planned}] {verdict}", markup=False, soft_wrap=True)

    stopped: KeyboardInterrupt | None = None
    try:
        with within(budget):
            cells = RecordedCells(ResultsFolder(out), filters.folders, foreign_code or ())
            plan = plan_again(records, cells, seconds)
            planned, skipped = len(plan.cells), plan.skipped
            if plan.cells:
                rows = RecordedRows([record.folder for record, _ in plan.cells])
                run_again(plan.cells, rows, jobs=jobs, hear=hear)
    except KeyboardInterrupt as stop:
        stopped = stop
    if as_json:
        print(json.dumps([_as_dict(verdict) for verdict in verdicts], indent=1))
    else:
        _print_summary(verdicts, skipped, len(records), out)
    if stopped is not None:
        why = f"the budget of {budget} is spent" if isinstance(stopped, BudgetSpent) else "interrupted"
        print(f"{why}: finished cells are in {out}; the same command goes on from there", file=sys.stderr)
        if not isinstance(stopped, BudgetSpent):
            raise typer.Exit(130)
    if not all(verdict.within for verdict in verdicts):
        raise typer.Exit(1)


def _print_summary(verdicts: list[Verdict], skipped: list[tuple[Record, str]], asked: int, out: Path) -> None:
    outside = [verdict for verdict in verdicts if not verdict.within]
    for verdict in outside:
        print(verdict)
    for why, count in Counter(why for _, why in skipped).most_common():
        print(f"skipped {count} {'cell' if count == 1 else 'cells'}: {why}")
    done = len(verdicts)
    print(f"{done} of {asked} cells replicated", end="")
    if not done:
        print()
        return
    identical = sum(verdict.found is not None and verdict.found.identical for verdict in verdicts)
    share = 100 * (done - len(outside)) / done
    print(f": {identical} identical, {done - len(outside)} ({share:.0f} %) within what seeds and machines explain")
    furthest = max(verdicts, key=lambda verdict: verdict.extent)
    if furthest.extent:
        print(f"largest deviation, {furthest.extent:.2g} of what is explained: {furthest}")
    print(f"the runs are in {out}: `weightbench submit {out}` adds those of another machine to the board")


def _as_dict(verdict: Verdict) -> dict[str, Any]:
    found = verdict.found
    return {
        "cell": verdict.title,
        "record": verdict.again.path.as_posix(),
        "recorded": verdict.recorded,
        "now": verdict.again.score,
        "difference": found and found.difference,
        "tolerance": found and found.tolerance,
        "identical": found is not None and found.identical,
        "within": verdict.within,
        "same_networks": verdict.same_networks,
        "error": verdict.again.error,
    }
