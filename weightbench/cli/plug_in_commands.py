"""The commands for people who write a method or a task: `new-method`, `new-task`, `check`; and `methods`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weightbench.cli import options
from weightbench.cli.options import Json
from weightbench.cli.plug_in_templates import METHOD, TASK, write_plug_in
from weightbench.runtime.errors import BadInput

if TYPE_CHECKING:
    from weightbench.benchmarks.checks.finding import Finding

Out = Annotated[Path, typer.Option(help="Folder of the new file.")]


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
    options.print_rows(rows, as_json)


def new_method(
    name: Annotated[str, typer.Argument(help="Small letters, digits and dashes, for instance my-net.")],
    out: Out = Path(),
) -> None:
    """Write a file with a working method, to be changed into your own."""
    path = write_plug_in(name, "method", METHOD, out)
    print(f"{path}\nweightbench check {path}\nweightbench run {path} --task inr-classification --zoo digits-inrs")


def new_task(
    name: Annotated[str, typer.Argument(help="Small letters, digits and dashes, for instance epoch-decoding.")],
    out: Out = Path(),
) -> None:
    """Write a file with a working task, to be changed into your own."""
    from weightbench.benchmarks.task.builtin import builtin_tasks

    if name in builtin_tasks():
        raise BadInput(f"{name}: is a task of the suite: choose another name, for instance my-{name}")
    path = write_plug_in(name, "task", TASK, out)
    print(f"{path}\nweightbench check {path} --zoo moons-mlps")
    print(f"weightbench run weight-norms weight-stats --task {path} --zoo moons-mlps")


def check(
    reference: Annotated[
        str, typer.Argument(metavar="FILE.py[:Class]", help="A file, or the name of a method or task.")
    ],
    zoo: Annotated[str | None, typer.Option(help="Of a task: the zoo that it is asked of.")] = None,
    split: Annotated[str | None, typer.Option(help="Of a task: within-run or across-runs.")] = None,
    target: Annotated[str | None, typer.Option(help="Of a task: the column asked for, where that is open.")] = None,
    param: Annotated[
        list[str] | None, typer.Option("-p", metavar="KEY=VALUE", help="Of a method: a hyperparameter; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Hold a method or a task to the contract.

    A method, on a tiny zoo: shapes, determinism, independence of order and batch, symmetries. A task: splits, targets,
    scores of perfect, constant, random and bad answers from stored files alone.
    """
    options.tune()
    from rich.console import Console

    from weightbench.benchmarks.task.task import TASKS
    from weightbench.methods.contract.registry import METHODS

    if is_task := TASKS.has(reference):
        if METHODS.has(reference):
            raise BadInput(f"{reference}: holds a method and a task: say {reference}:Class")
        if param:
            raise BadInput("-p is for methods: a task has no hyperparameters")
        if zoo is None:
            raise BadInput(f"a task is checked on a zoo: say --zoo, with one that has what {reference} asks for")
        findings = _task_findings(reference, zoo, split, target)
    elif zoo or split or target:
        raise BadInput(f"--zoo, --split and --target are for tasks, and {reference} is none: leave them out")
    else:
        findings = _method_findings(reference, param or [])
    found, console = [], Console(highlight=False)
    for finding in findings:
        found.append(finding)
        if not as_json:
            mark = "[green]kept  [/]" if finding.kept else "[red]broken[/]"
            console.print(f"{mark} {finding.task:<40} {finding.check:<22}", end="")
            console.print(finding.why or f"{finding.seconds:.1f} s", markup=False, soft_wrap=True)
    if not found and not is_task:
        raise BadInput(f"{reference}: has no verb for its tasks: write `predict`, `transform` or `align`")
    broken = [finding for finding in found if not finding.kept]
    if as_json:
        print(json.dumps([vars(finding) for finding in found], indent=1))
    else:
        print(f"{len(found) - len(broken)} of {len(found)} checks kept")
    if broken:
        raise typer.Exit(1)


def _method_findings(reference: str, given: list[str]) -> Iterator[Finding]:
    from weightbench.benchmarks.checks.method_check import brief, check_method, tiny_zoo
    from weightbench.methods.contract.registry import load_method

    params = dict(options.parsed_param(text) for text in given)
    return check_method(brief(load_method(reference, params), keep=set(params)), tiny_zoo())


def _task_findings(reference: str, zoo: str, split: str | None, target: str | None) -> Iterator[Finding]:
    from weightbench.benchmarks.checks.task_check import check_task
    from weightbench.benchmarks.task.registry import load_task

    return check_task(load_task(reference, zoo, split=split, target=target))
