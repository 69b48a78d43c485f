"""The commands that run methods on tasks, and those that say what there is to run and what is done."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weightbench.cli import options
from weightbench.cli.board_commands import print_boards
from weightbench.cli.options import Address, Device, Engine, Jobs, Json, Memory
from weightbench.cli.time_limit import BudgetSpent, parsed_budget, within
from weightbench.runtime.errors import BadInput

if TYPE_CHECKING:
    from weightbench.benchmarks.records.result import Result


def tasks(as_json: Json = False) -> None:
    """The tasks, those of installed plug-ins too."""
    from weightbench.benchmarks.metrics.scoring import METRICS
    from weightbench.benchmarks.task.registry import task_class, task_names
    from weightbench.benchmarks.task.task import TASKS

    rows = []
    for name in task_names():
        task = task_class(name)
        metric = METRICS.get(getattr(task, "metric", ""))  # None where the zoo decides
        row = {
            "name": name,
            "output": getattr(task, "output", None),
            "metric": metric and metric.name,
            "unit": metric and metric.unit,
            "description": task.description,
        }
        more = (
            {"version": TASKS.version_of(task), "higher_is_better": metric and metric.higher_is_better}
            if as_json
            else {}
        )
        rows.append(row | more)
    options.print_rows(rows, as_json)


def run(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[METHOD]...", help="Names, or paths my_method.py[:Class].")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="What is asked of the methods: a name, or a path my_task.py[:Class].")
    ] = None,
    zoo: Annotated[str | None, typer.Option(help="A zoo's name, or the path of a zoo folder.")] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="across-runs or within-run, of a snapshot zoo; cross-fitted, of any with runs; across-depths, -widths "
            "or -families, of any with several architectures.  [default: across-runs]"
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column asked for, where the task leaves it open.")] = None,
    protocol: Annotated[
        str, typer.Option(help="supervised: predict; representation: embed, for the suite's own linear model.")
    ] = "supervised",
    also: Annotated[
        str | None,
        typer.Option(
            help="Zoos that are tested on too, out of domain: names or folders, with commas. inr-dilation and tasks of "
            "values take some."
        ),
    ] = None,
    suite: Annotated[str | None, typer.Option(help="A suite's name or TOML file, instead of all above.")] = None,
    seeds: Annotated[str | None, typer.Option(help="For instance 0,1,2.  [default: the suite's, or 0]")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "-p", metavar="KEY=VALUE", help="A hyperparameter; repeatable. KEY=1,2 tries both, with all of the others."
        ),
    ] = None,
    trials: Annotated[
        int,
        typer.Option(
            min=1,
            help="Of a random search over each method's settings, at the first seed; the best on val runs the others.",
        ),
    ] = 1,
    device: Device = None,
    jobs: Jobs = None,
    executor: Engine = "local",
    address: Address = None,
    memory: Memory = None,
    budget: Annotated[
        str | None, typer.Option(help="Stop after this time (90s, 9m, 1.5h), exit code 3; the same command goes on.")
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(help="tensorboard: losses and validation scores while methods train, beside the records."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The results folder.")] = Path("runs"),
) -> None:
    """Run methods on a task, or a whole suite; finished cells are kept. Boards are printed when they are complete."""
    chosen = _parsed_seeds(seeds)
    if bool(suite) == bool(names):
        raise BadInput("say either METHOD... with --task and --zoo, or --suite NAME")
    if names and not (task and zoo):
        raise BadInput(
            "running a method takes --task and --zoo; `weightbench tasks` and `weightbench zoo list` name them"
        )
    if suite and (task or zoo or param or split or target or also or protocol != "supervised" or trials > 1):
        raise BadInput(
            "--suite brings its own tasks, zoos and parameters: "
            "leave out --task, --zoo, --split, --target, --protocol, --also, --trials and -p"
        )
    if budget:
        parsed_budget(budget)
    options.tune()
    from weightbench.benchmarks.running.run import run as run_cells
    from weightbench.leaderboard.board.board import load_boards
    from weightbench.leaderboard.pages.board_files import write_board
    from weightbench.methods.contract.registry import load_method
    from weightbench.runtime.progress import console

    settings = options.sweep(param or [])

    def show(found: list[Result]) -> None:
        with suppress(BadInput):  # a damaged record in the folder stops no run: the boards are written at its end
            print_boards(load_boards(out, found))

    try:
        with within(budget):
            results = run_cells(
                [load_method(name, params) for name in names or [] for params in settings],
                task=task,
                zoo=zoo,
                split=split,
                target=target,
                protocol=protocol,  # type: ignore[arg-type]  # checked there
                also=also,
                suite=suite,
                seeds=chosen,
                trials=trials,
                device=device,
                executor=executor,  # type: ignore[arg-type]  # checked there
                jobs=jobs,
                address=address,
                memory=memory,
                log=log,  # type: ignore[arg-type]  # checked there
                out=out,
                tell=lambda text: console.print(text, markup=False, soft_wrap=True),
                ready=show,
            )
    except BudgetSpent:
        print(f"the budget of {budget} is spent: finished cells are in {out}; the same command goes on from there")
        raise typer.Exit(3) from None
    except KeyboardInterrupt:
        print(f"interrupted: finished cells are in {out}; the same command goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None
    if not results:  # one of torchrun's processes that only help
        return
    _, written = write_board(out, out / "board")
    print("\n" + "\n".join(map(str, written)))
    failed = [result for result in results if result.status != "ok"]
    if failed:
        print(f"{len(failed)} of {len(results)} cells failed; tracebacks lie beside their records", file=sys.stderr)
        raise typer.Exit(1)


def status(
    runs: Annotated[Path, typer.Argument(metavar="RUNS_DIR", help="The results folder.")],
    suite: Annotated[str, typer.Option(help="A suite's name or TOML file.")],
    seeds: Annotated[str | None, typer.Option(help="For instance 0,1,2.  [default: the suite's]")] = None,
    as_json: Json = False,
) -> None:
    """What of a suite is done, running, failed, missing or waiting for its zoo, and the command that finishes it."""
    from weightbench.benchmarks.records.results_folder import ResultsFolder
    from weightbench.benchmarks.running.suite import load_suite
    from weightbench.benchmarks.running.suite_status import STATES, told
    from weightbench.benchmarks.running.suite_status import status as states

    chosen = _parsed_seeds(seeds)
    found = states(load_suite(suite), ResultsFolder(runs), seeds=chosen)
    if as_json:
        options.print_rows([vars(cell) for cell in found], as_json)
        return
    counts = {state: sum(cell.state == state for cell in found) for state in STATES}
    told_counts = [f"{n} {state}" for state, n in counts.items() if n or state != "waiting"]
    print(f"{suite} in {runs}: {', '.join(told_counts)}, of {len(found)}")
    for line in told(found):
        print(f"  {line}")
    if counts["failed"] or counts["missing"] or counts["waiting"]:
        print(f"weightbench run --suite {suite} --out {runs}" + (f" --seeds {seeds}" if seeds else ""))


def _parsed_seeds(text: str | None) -> list[int] | None:
    seeds = [seed.strip() for seed in text.split(",")] if text is not None else []
    if not all(seed.isdecimal() for seed in seeds):
        raise BadInput(f"--seeds {text}: numbers with commas between, for instance 0,1,2")
    return [int(seed) for seed in seeds] or None
