"""The command line: it reads arguments, calls the library, prints. torch is imported by the commands that need it."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import typer

from weightbench.cli import board_commands, method_commands
from weightbench.cli import options as terminal
from weightbench.cli.board_commands import show_boards
from weightbench.cli.exchange_commands import zoo_export, zoo_import
from weightbench.cli.options import HELP, Address, Device, Engine, Jobs, Json, Memory
from weightbench.cli.time_limit import BudgetSpent, parsed_budget, within
from weightbench.cli.zoo_commands import zoo_app
from weightbench.runtime.errors import BadInput, unknown

app = typer.Typer(
    context_settings=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # in which square brackets stay text
    help="The benchmark suite for weight-space learning.",
)
zoo_app.command("import")(zoo_import)
zoo_app.command("export")(zoo_export)
app.add_typer(zoo_app, name="zoo")


def _version(asked: bool) -> None:
    if asked:
        import weightbench

        print(weightbench.__version__)
        raise typer.Exit


@app.callback()
def _main(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None:
    pass


@app.command("tasks")
def tasks(as_json: Json = False) -> None:
    """The tasks."""
    from weightbench.benchmarks.task.task import task_class, task_names

    found = [task_class(name) for name in task_names()]
    keys = ["name", "output", "metric", "unit", "description"]
    keys += ["version", "higher_is_better"] if as_json else []
    terminal.print_rows([{key: getattr(task, key, None) for key in keys} for task in found], as_json)


@app.command("methods")
def methods(as_json: Json = False) -> None:
    """The methods, with the tasks that each supports and its parameters."""
    from weightbench.methods.contract.registry import load_class, method_names

    rows = []
    for name in method_names():
        method = load_class(name)
        about = (method.__doc__ or "").strip().splitlines()
        rows.append(
            {"name": name, "tasks": list(method.tasks), "paper": method.paper, "description": about[0] if about else ""}
            | ({"params": dataclasses.asdict(method())} if as_json else {})
        )
    terminal.print_rows(rows, as_json)


@app.command("run")
def run(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[METHOD]...", help="Names, or paths my_method.py[:Class].")
    ] = None,
    task: Annotated[str | None, typer.Option(help="What is asked of the methods.")] = None,
    zoo: Annotated[str | None, typer.Option(help="A zoo's name, or the path of a zoo folder.")] = None,
    split: Annotated[
        str | None, typer.Option(help="within-run or across-runs, of a snapshot zoo.  [default: across-runs]")
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column asked for, where the task leaves it open.")] = None,
    protocol: Annotated[
        str, typer.Option(help="supervised: predict; representation: embed, for the suite's own linear model.")
    ] = "supervised",
    also: Annotated[
        str | None, typer.Option(help="A second zoo that is tested on too, out of domain; inr-dilation takes one.")
    ] = None,
    suite: Annotated[str | None, typer.Option(help="A suite's name or TOML file, instead of all above.")] = None,
    seeds: Annotated[str | None, typer.Option(help="For instance 0,1,2.  [default: the suite's, or 0]")] = None,
    param: Annotated[
        list[str] | None, typer.Option("-p", metavar="KEY=VALUE", help="A hyperparameter; repeatable.")
    ] = None,
    device: Device = None,
    jobs: Jobs = None,
    executor: Engine = "local",
    address: Address = None,
    memory: Memory = None,
    budget: Annotated[
        str | None, typer.Option(help="Stop after this time (90s, 9m, 1.5h), exit code 3; the same command goes on.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The results folder.")] = Path("runs"),
) -> None:
    """Run methods on a task, or a whole suite; finished cells are kept. Then print the boards."""
    if protocol not in ("supervised", "representation"):
        raise unknown("protocol", protocol, ("supervised", "representation"))
    chosen = _parsed_seeds(seeds)
    if bool(suite) == bool(names):
        raise BadInput("say either METHOD... with --task and --zoo, or --suite NAME")
    if names and not (task and zoo):
        raise BadInput(
            "running a method takes --task and --zoo; `weightbench tasks` and `weightbench zoo list` name them"
        )
    if suite and (task or zoo or param or split or target or also or protocol != "supervised"):
        raise BadInput(
            "--suite brings its own tasks, zoos and parameters: "
            "leave out --task, --zoo, --split, --target, --protocol, --also and -p"
        )
    if budget:
        parsed_budget(budget)
    terminal.tune()
    from weightbench.benchmarks.running.cell import plan
    from weightbench.benchmarks.running.run import run_cells
    from weightbench.benchmarks.running.suite import Runs, Suite, load_suite
    from weightbench.runtime.execution import Execution
    from weightbench.runtime.open_executor import open_executor
    from weightbench.runtime.progress import console

    params = dict(terminal.parsed_param(text) for text in param or [])
    wanted = (
        load_suite(suite)
        if suite
        else Suite(
            description="",
            runs=[
                Runs(
                    task=task or "",
                    zoo=zoo or "",
                    split=split,
                    target=target,
                    protocol=protocol,  # type: ignore[arg-type]  # checked above
                    also=also,
                    methods=[{"name": n} | params for n in names or []],
                )
            ],
        )
    )
    try:
        with within(budget):
            cells = plan(wanted, seeds=chosen, out=out)
            with open_executor(Execution(executor, jobs, address, memory, device)) as workers:
                results = run_cells(
                    cells,
                    device=device,
                    tell=lambda text: console.print(text, markup=False, soft_wrap=True),
                    executor=workers,
                )
    except BudgetSpent:
        print(f"the budget of {budget} is spent: finished cells are in {out}; the same command goes on from there")
        raise typer.Exit(3) from None
    except KeyboardInterrupt:
        print(f"interrupted: finished cells are in {out}; the same command goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None
    if not results:  # one of torchrun's processes that only help
        return
    show_boards(out, out / "board", {(r.task.name, r.zoo.recipe_sha256) for r in results})
    failed = [result for result in results if result.status != "ok"]
    if failed:
        print(f"{len(failed)} of {len(results)} cells failed; tracebacks lie beside their records", file=sys.stderr)
        raise typer.Exit(1)


@app.command("status")
def status(
    runs: Annotated[Path, typer.Argument(metavar="RUNS_DIR", help="The results folder.")],
    suite: Annotated[str, typer.Option(help="A suite's name or TOML file.")],
    seeds: Annotated[str | None, typer.Option(help="For instance 0,1,2.  [default: the suite's]")] = None,
    as_json: Json = False,
) -> None:
    """What of a suite is done, running, failed or missing, and the command that finishes it."""
    from weightbench.benchmarks.running.suite import load_suite
    from weightbench.benchmarks.running.suite_status import status as states

    chosen = _parsed_seeds(seeds)
    found = states(load_suite(suite), runs, seeds=chosen)
    if as_json:
        terminal.print_rows([vars(cell) for cell in found], as_json)
        return
    counts = {state: sum(cell.state == state for cell in found) for state in ("done", "running", "failed", "missing")}
    print(f"{suite} in {runs}: " + ", ".join(f"{n} {state}" for state, n in counts.items()) + f", of {len(found)}")
    for cell in found:
        if cell.state != "done":
            print(f"  {cell.state}: {cell.title}" + (f" ({cell.why})" if cell.why else ""))
    if counts["failed"] or counts["missing"]:
        print(f"weightbench run --suite {suite} --out {runs}" + (f" --seeds {seeds}" if seeds else ""))


def _parsed_seeds(text: str | None) -> list[int] | None:
    seeds = [seed.strip() for seed in text.split(",")] if text is not None else []
    if not all(seed.isdecimal() for seed in seeds):
        raise BadInput(f"--seeds {text}: numbers with commas between, for instance 0,1,2")
    return [int(seed) for seed in seeds] or None


app.command()(method_commands.check)
app.command()(method_commands.new_method)
board_commands.register(app)


def main() -> None:
    """Run a command; wrong input is one line and exit code 2."""
    try:
        app()
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # a full disk, a folder that vanished: what is finished is on disk
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted: the same command goes on where this one stopped", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
