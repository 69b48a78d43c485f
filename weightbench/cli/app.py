"""All commands."""

from __future__ import annotations

from typing import Annotated

import typer

from weightbench.cli.board_commands import diff, leaderboard, picture, submit, table
from weightbench.cli.exchange_commands import zoo_export, zoo_import
from weightbench.cli.options import HELP
from weightbench.cli.plug_in_commands import check, methods, new_method, new_task
from weightbench.cli.replication_commands import replicate
from weightbench.cli.run_commands import run, status, tasks
from weightbench.cli.zoo_commands import zoo_app

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


def _version(wanted: bool) -> None:
    if wanted:
        import weightbench

        print(weightbench.__version__)
        raise typer.Exit


@app.callback()
def _main(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None:
    pass


for command in (
    tasks,
    methods,
    run,
    status,
    check,
    new_method,
    new_task,
    leaderboard,
    table,
    submit,
    replicate,
    diff,
    picture,
):
    app.command()(command)
