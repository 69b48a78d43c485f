"""What the commands share: common options, listings as tables or JSON, the tuning of the process."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import product
from typing import Annotated, Any

import typer

from weightbench.runtime.errors import BadInput

HELP = {"help_option_names": ["-h", "--help"]}
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Engine = Annotated[str, typer.Option("--executor", help="local, or ray: a Ray cluster.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        help="How many run at once.  [default: 1, or with ray as many as there is room for]", show_default=False
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", help="Of the Ray cluster.  [default: RAY_ADDRESS, or one started here]", show_default=False
    ),
]
Memory = Annotated[
    float | None,
    typer.Option(metavar="GB", help="Ray: set aside for each that runs at once.  [default: 2]", show_default=False),
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, ...  [default: a GPU where there is one]")]


def print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Print rows of equal keys as a table, or as JSON."""
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    view = Table(box=None, pad_edge=False)
    for key in rows[0]:
        view.add_column(key.replace("_", " "), overflow="fold", no_wrap=key not in ("description", "tasks"))
    for row in rows:
        view.add_row(*(_as_text(value) for value in row.values()))
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)  # a log has no edge to wrap at
    console.print(view)


def _as_text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def tune() -> None:
    """Make this process's arithmetic faster, before torch is imported."""
    from weightbench.runtime.machine import tune_process

    tune_process()


def sweep(texts: Iterable[str]) -> list[dict[str, object]]:
    """Every combination of the values of several "key=value"; "key=1,2,3" gives one three. Raises BadInput."""
    given: dict[str, list[object]] = {}
    for text in texts:
        key, value = parsed_param(text)
        given[key] = [*value.split(",")] if isinstance(value, str) else [value]
    return [dict(zip(given, values, strict=True)) for values in product(*given.values())]


def parsed_param(text: str) -> tuple[str, str | list[object]]:
    """A key and its value, from "key=value"; a JSON list is a list. Raises BadInput."""
    key, equals, value = text.partition("=")
    if not equals:
        raise BadInput(f"-p {text}: write it as key=value")
    if value.startswith("["):
        try:
            return key.strip(), list(json.loads(value))
        except ValueError:
            raise BadInput(f'-p {text}: write a list as JSON, for instance {key}=["mean", "std"]') from None
    return key.strip(), value
