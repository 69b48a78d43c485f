"""The command line: it reads arguments, calls the library, prints. torch is imported by the commands that need it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weightbench.zoo.errors import BadInput

if TYPE_CHECKING:
    from weightbench.leaderboard.board import Board

HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    context_settings=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The benchmark suite for weight-space learning.",
)
zoo_app = typer.Typer(context_settings=HELP, no_args_is_help=True, help="List, build and verify zoos.")
app.add_typer(zoo_app, name="zoo")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, ...  [default: a GPU where there is one]")]
Name = Annotated[str, typer.Argument(help="A zoo of the catalogue, or the TOML file of your own.")]
SourceDir = Annotated[Path | None, typer.Option(help="Folder with the raw data sets, instead of the internet.")]
NameOrPath = Annotated[str, typer.Argument(help="A zoo's name, or the path of a zoo folder.")]


def _version(asked: bool) -> None:
    if asked:
        import weightbench

        print(weightbench.__version__)
        raise typer.Exit


@app.callback()
def _main(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None:
    pass


@zoo_app.command("list")
def zoo_list(as_json: Json = False) -> None:
    """The standard zoos, and which are on this machine."""
    from weightbench.zoo.catalogue import catalogue, is_built
    from weightbench.zoo.sources import SOURCES

    rows: list[dict[str, Any]] = []
    for entry in catalogue():
        sizes = sorted({arch.num_params for arch in entry.recipe.architectures.values()})
        row = {
            "name": entry.name,
            "version": entry.version,
            "networks": entry.networks,
            "params": sizes,
            "megabytes": entry.megabytes,
            "build_minutes": entry.build_minutes,
            "built": is_built(entry),
        }
        if as_json:
            row |= {
                "description": entry.description,
                "architectures": {key: str(arch) for key, arch in entry.recipe.architectures.items()},
                "sources": entry.sources,
                "licenses": {name: SOURCES[name].license for name in entry.sources},
                "splits": entry.splits,
                "recipe": entry.recipe_dict(),
            }
        else:
            row["params"] = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}-{sizes[-1]}"
            row["MB"] = row.pop("megabytes")
            del row["build_minutes"]
            row["cpu min"], row["gpu min"] = (entry.build_minutes.get(device) for device in ("cpu", "cuda"))
            row["built"] = row.pop("built")
        rows.append(row)
    _print_rows(rows, as_json)


@zoo_app.command("info")
def zoo_info(name: NameOrPath, as_json: Json = False) -> None:
    """What a zoo holds and how it was made; for one that is not on this machine, its catalogue entry."""
    from weightbench.zoo.catalogue import catalogue_entry, is_built, zoo_names
    from weightbench.zoo.collection import open_zoo
    from weightbench.zoo.load import locate
    from weightbench.zoo.sources import SOURCES

    if name.partition("@")[0] in zoo_names() and not is_built(entry := catalogue_entry(name)):
        content = entry.model_dump(mode="json", exclude_none=True)
        content["licenses"] = {source: SOURCES[source].license for source in entry.sources}
        if as_json:
            print(json.dumps(content, indent=1))
            return
        print(f"{entry.name}@{entry.version}: {entry.networks:,} networks, not on this machine\n{entry.description}\n")
        for key, arch in entry.recipe.architectures.items():
            print(f"{key}: {arch}, {arch.num_params:,} parameters")
        _print_fields({key: content[key] for key in ("sources", "licenses", "splits", "recipe")})
        return
    zoo = open_zoo(locate(name))
    content = zoo.manifest.model_dump(mode="json", by_alias=True)
    if as_json:
        print(json.dumps(content, indent=1))
        return
    print(f"{zoo}\n{zoo.manifest.description}\n{zoo.folder}\n")
    for key, arch in zoo.manifest.architectures.items():
        print(f"{key}: {arch}, {arch.num_params:,} parameters")
    _print_fields({key: content[key] for key in ("recipe", "quality", "dropped", "build")})


def _print_fields(parts: dict[str, dict[str, Any]]) -> None:
    for title, values in parts.items():
        print(f"\n{title}")
        for key, value in values.items():
            print(f"  {key}: {value}")


@zoo_app.command("build")
def zoo_build(
    name: Name,
    limit: Annotated[int | None, typer.Option(help="Keep that many source items over all splits.")] = None,
    out: Annotated[Path | None, typer.Option(help="The zoo's folder.  [default: in the cache]")] = None,
    device: Device = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the initialisations.  [default: the recipe's]")] = None,
    source_dir: SourceDir = None,
) -> None:
    """Train a standard zoo. Interrupted builds go on where they stopped."""
    _tune()
    from weightbench.zoo.build import build_zoo

    zoo = build_zoo(name, limit=limit, out=out, device=device, seed=seed, source_folder=source_dir)
    quality = ", ".join(f"{key} {value}" for key, value in zoo.manifest.quality.items())
    print(f"{zoo}: {quality}\n{zoo.folder}")


@zoo_app.command("verify")
def zoo_verify(
    name: NameOrPath,
    rescore: Annotated[
        int, typer.Option(metavar="N", min=0, help="Derive the stored figures of N networks anew from the source data.")
    ] = 0,
    source_dir: SourceDir = None,
) -> None:
    """Hash every file of a zoo, compare with its manifest, and prove that no network stands in it twice."""
    _tune()
    from weightbench.zoo.collection import open_zoo
    from weightbench.zoo.load import locate
    from weightbench.zoo.twins import check_twins

    zoo = open_zoo(locate(name), always_hash=True)
    check_twins(zoo)
    print(f"{zoo}: {len(zoo.manifest.files)} files are as zoo.json says, no two networks are twins")
    if rescore:
        from weightbench.zoo.rescore import rescore as rescored

        differences = rescored(zoo, rows=rescore, source_folder=source_dir)
        text = ", ".join(f"{key} to {value:.1g}" for key, value in differences.items())
        print(f"figures of about {rescore} networks derived anew from the source data agree: {text}")
    print(zoo.folder)


@app.command("tasks")
def tasks(as_json: Json = False) -> None:
    """The tasks."""
    from weightbench.benchmarks.task import task_class, task_names

    found = [task_class(name) for name in task_names()]
    keys = ("name", "version", "output", "metric", "unit", "higher_is_better", "description")
    _print_rows([{key: getattr(task, key) for key in keys} for task in found], as_json)


@app.command("methods")
def methods(as_json: Json = False) -> None:
    """The methods, with the tasks that each supports and its parameters."""
    from weightbench.methods.registry import load_class, method_names

    rows = []
    for name in method_names():
        method = load_class(name)
        about = (method.__doc__ or "").strip().splitlines()
        rows.append(
            {"name": name, "tasks": list(method.tasks), "paper": method.paper, "description": about[0] if about else ""}
            | ({"params": method().params} if as_json else {})
        )
    _print_rows(rows, as_json)


@app.command("run")
def run(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[METHOD]...", help="Names, or paths my_method.py[:Class].")
    ] = None,
    task: Annotated[str | None, typer.Option(help="What is asked of the methods.")] = None,
    zoo: Annotated[str | None, typer.Option(help="A zoo's name, or the path of a zoo folder.")] = None,
    suite: Annotated[str | None, typer.Option(help="A suite's name or TOML file, instead of the three above.")] = None,
    seeds: Annotated[str | None, typer.Option(help="For instance 0,1,2.  [default: the suite's, or 0]")] = None,
    param: Annotated[
        list[str] | None, typer.Option("-p", metavar="KEY=VALUE", help="A hyperparameter; repeatable.")
    ] = None,
    device: Device = None,
    out: Annotated[Path, typer.Option(help="The results folder.")] = Path("runs"),
) -> None:
    """Run methods on a task, or a whole suite; finished cells are kept. Then print the boards."""
    chosen = [int(seed) for seed in _parsed_seeds(seeds)] if seeds else None
    if bool(suite) == bool(names):
        raise BadInput("say either METHOD... with --task and --zoo, or --suite NAME")
    if names and not (task and zoo):
        raise BadInput(
            "running a method takes --task and --zoo; `weightbench tasks` and `weightbench zoo list` name them"
        )
    if suite and (task or zoo or param):
        raise BadInput("--suite brings its own tasks, zoos and parameters: leave out --task, --zoo and -p")
    _tune()
    from weightbench.benchmarks.runner import plan, run_cells
    from weightbench.benchmarks.suite import Runs, Suite, load_suite
    from weightbench.zoo.progress import console

    params = dict(_parsed_param(text) for text in param or [])
    wanted = (
        load_suite(suite)
        if suite
        else Suite(
            description="",
            runs=[Runs(task=task or "", zoo=zoo or "", methods=[{"name": n} | params for n in names or []])],
        )
    )
    cells = plan(wanted, seeds=chosen, out=out)
    try:
        results = run_cells(cells, device=device, tell=lambda text: console.print(text, markup=False, soft_wrap=True))
    except KeyboardInterrupt:
        print(f"interrupted: finished cells are in {out}; the same command goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None
    _show_boards(out, out / "board", {(r.task.name, r.zoo.recipe_sha256) for r in results})
    failed = [result for result in results if result.status != "ok"]
    if failed:
        print(f"{len(failed)} of {len(results)} cells failed; tracebacks lie beside their records", file=sys.stderr)
        raise typer.Exit(1)


@app.command("leaderboard")
def leaderboard(
    results: Annotated[Path, typer.Option(help="The results folder.")] = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="Where the board goes.  [default: RESULTS/board]")] = None,
) -> None:
    """Re-score every result from its predictions and write Markdown, CSV and one HTML page."""
    _show_boards(results, out or results / "board", None)


def _show_boards(results: Path, out: Path, only: set[tuple[str, str]] | None) -> None:
    """Write the board of a results folder and print it (or the parts named by (task, zoo recipe))."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from weightbench.leaderboard.render import failures, table, write_board

    boards, written = write_board(results, out)
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)  # a log has no edge to wrap at
    shown: list[Board] = [b for b in boards if only is None or (b.task, b.recipe_sha256) in only]
    for board in shown:
        header, rows = table(board)
        view = Table(
            title=f"\n{board.title}  [dim]{escape(board.score_label)}", title_justify="left", box=None, pad_edge=False
        )
        for number, name in enumerate(header):
            view.add_column(name, justify="right" if number else "left", style="bold" if number == 1 else "")
        for row in rows:
            view.add_row(*(escape(cell) for cell in row))
        console.print(view)
        for line in failures(board):
            console.print(f"Failed: {line}", style="red", markup=False)
    print("\n" + "\n".join(str(path) for path in written))


def _parsed_seeds(text: str) -> list[str]:
    seeds = text.split(",")
    if not all(seed.strip().isdigit() for seed in seeds):
        raise BadInput(f"--seeds {text}: numbers with commas between, for instance 0,1,2")
    return seeds


def _parsed_param(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise BadInput(f"-p {text}: write it as key=value")
    return key.strip(), value


def _print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    view = Table(box=None, pad_edge=False)
    for key in rows[0]:
        view.add_column(key.replace("_", " "), overflow="fold", no_wrap=key == "name")
    for row in rows:
        view.add_row(*(_as_text(value) for value in row.values()))
    Console().print(view)


def _as_text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _tune() -> None:
    from weightbench.zoo.machine import tune_process

    tune_process()


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
