"""The commands about methods: `methods`, and `new-method` and `check` for people who write one."""

from __future__ import annotations

import dataclasses
import json
import keyword
import re
from pathlib import Path
from typing import Annotated

import typer

from weightbench.cli import options
from weightbench.cli.options import Json
from weightbench.runtime.errors import BadInput

TEMPLATE = '''\
"""{title}: say here what it does, and where it comes from."""

from __future__ import annotations

import torch
import weightbench as wb


class {title}Net(torch.nn.Module):
    """Mean and deviation of every neuron's incoming weights, pooled over the neurons of a layer, into an MLP."""

    def __init__(self, layers: int, width: int, output_dim: int) -> None:
        super().__init__()
        self.read = torch.nn.ModuleList(torch.nn.Linear(3, width) for _ in range(layers))
        self.answer = torch.nn.Sequential(
            torch.nn.Linear(layers * width, width), torch.nn.ReLU(), torch.nn.Linear(width, output_dim)
        )

    def forward(self, networks: wb.Networks) -> torch.Tensor:
        pooled = []
        for read, weight, bias in zip(self.read, networks.weights, networks.biases):
            rows = weight.flatten(2)  # [B, out, in]
            bias = torch.zeros_like(rows[..., 0]) if bias is None else bias
            neurons = torch.stack([rows.mean(2), rows.square().mean(2), bias], 2)  # [B, out, 3]
            pooled.append(read(neurons).relu().mean(1))  # [B, width], whatever the order of the neurons
        return self.answer(torch.cat(pooled, 1))


class {title}(wb.NeuralMethod):
    """One line that `weightbench methods` shows."""

    name = "{name}"
    tasks = ("inr-classification", "property")
    symmetries = ("permutation",)  # what cannot change the answer; `weightbench check` holds it to that
    one_architecture = True

    width: int = 64  # fields are hyperparameters: -p width=128
    epochs: int = 10
    lr: float = 3e-3
    schedule: str = "one-cycle"

    def build(self, task) -> torch.nn.Module:
        return {title}Net(len(task.architectures[0].layers), self.width, task.output_dim)
'''


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
    out: Annotated[Path, typer.Option(help="Folder of the new file.")] = Path(),
) -> None:
    """Write a file with a working method, to be changed into your own."""
    title = "".join(part.capitalize() for part in name.split("-"))
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise BadInput(f"{name}: a method's name has small letters, digits and dashes, for instance my-net")
    if keyword.iskeyword(name) or keyword.iskeyword(title):
        raise BadInput(f"{name}: is a word of Python itself: choose another name, for instance my-{name}")
    path = out / f"{name.replace('-', '_')}.py"
    if path.exists():
        raise BadInput(f"{path}: is there already: choose another name, or remove it")
    if not out.is_dir():
        raise BadInput(f"{out}: no such folder")
    path.write_text(TEMPLATE.format(name=name, title=title))
    print(f"{path}\nweightbench check {path}\nweightbench run {path} --task inr-classification --zoo digits-inrs")


def check(
    method: Annotated[str, typer.Argument(metavar="FILE.py[:Class]", help="A file, or the name of a method.")],
    param: Annotated[
        list[str] | None, typer.Option("-p", metavar="KEY=VALUE", help="A hyperparameter; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Hold a method to the contract on a tiny zoo: shapes, determinism, independence of order and batch, symmetries."""
    options.tune()
    from rich.console import Console

    from weightbench.benchmarks.running.method_check import brief, tiny_zoo
    from weightbench.benchmarks.running.method_check import check as findings
    from weightbench.methods.contract.registry import load_method

    params = dict(options.parsed_param(text) for text in param or [])
    found, console = [], Console(highlight=False)
    loaded = load_method(method, params)
    for finding in findings(brief(loaded, keep=set(params)), tiny_zoo()):
        found.append(finding)
        if not as_json:
            mark = "[green]kept  [/]" if finding.kept else "[red]broken[/]"
            console.print(f"{mark} {finding.task:<40} {finding.check:<22}", end="")
            console.print(finding.why or f"{finding.seconds:.1f} s", markup=False, soft_wrap=True)
    if not found:
        raise BadInput(f"{method}: has no verb for {', '.join(loaded.tasks)}: write `predict`, `transform` or `align`")
    broken = [finding for finding in found if not finding.kept]
    if as_json:
        print(json.dumps([vars(finding) for finding in found], indent=1))
    else:
        print(f"{len(found) - len(broken)} of {len(found)} checks kept")
    if broken:
        raise typer.Exit(1)
