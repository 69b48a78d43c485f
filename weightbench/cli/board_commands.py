"""The commands about results: `leaderboard`, `table`, `submit`, `diff`, `picture`.

None but `submit` imports torch, and `picture` where it renders INRs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from enum import StrEnum
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weightbench.cli.options import Json
from weightbench.runtime.errors import BadInput

if TYPE_CHECKING:
    from weightbench.leaderboard.board.board import Board


class TableFormat(StrEnum):
    """What `table` can print."""

    MARKDOWN = "markdown"
    LATEX = "latex"
    CSV = "csv"


def leaderboard(
    results: Annotated[Path | None, typer.Option(help="A results folder.  [default: leaderboard/results]")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the board goes.  [default: leaderboard, or DIR/board]")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if the board there differs.")] = False,
    baseline: Annotated[
        Path | None, typer.Option(help="With --check: an earlier scores.csv, none of whose scores may have moved.")
    ] = None,
    space: Annotated[Path | None, typer.Option(help="Also write the files of a static Hugging Face Space.")] = None,
    as_json: Json = False,
) -> None:
    """Re-score every result from its predictions; write the board as Markdown, CSV and one HTML page.

    The committed board's overview also stands in the project's README.
    """
    from weightbench.leaderboard.pages.board_files import write_board

    committed = results is None
    readme: Path | None = None  # the project's, which holds the overview of the committed board alone
    if results is None:
        from weightbench.leaderboard.submit.submission import home_folder

        results = (home := home_folder("--results")) / "results"
        if out is None:
            out, readme = home, home.parent / "README.md"
    out = out or results / "board"
    if baseline and not check:
        raise BadInput("--baseline goes with --check")
    if check:
        from weightbench.leaderboard.pages.board_drift import drift

        if not committed and not results.is_dir():
            raise BadInput(f"{results}: no such folder; `weightbench run` writes results")
        found = drift(results, out, baseline, readme)
        for line in found.marked:
            print(f"symmetry audit: {line}")
        for line in found.problems:
            print(line, file=sys.stderr)
        if found.problems:
            print("the board has drifted: `weightbench leaderboard` writes it anew", file=sys.stderr)
            raise typer.Exit(1)
        print(f"{out}: equals what {results} gives")
        return
    boards, written = write_board(results, out, readme=readme, may_be_empty=committed)
    if as_json:
        print(json.dumps([_as_dict(board) for board in boards], indent=1))
    else:
        print_boards(boards)
        print("\n" + "\n".join(map(str, written)))
    if space:
        from weightbench.leaderboard.pages.html_page import write_space

        write_space(space, boards)
        if not as_json:
            print(f"{space}: `hf upload --repo-type space ORG/NAME {space}` puts it on the Hub")


def table(
    results: Annotated[Path | None, typer.Option(help="A results folder.  [default: leaderboard/results]")] = None,
    task: Annotated[str | None, typer.Option(help="Boards of this task alone.")] = None,
    zoo: Annotated[str | None, typer.Option(help="Boards on this zoo alone.")] = None,
    form: Annotated[TableFormat, typer.Option("--format", help="What is printed.")] = TableFormat.MARKDOWN,
) -> None:
    """Print boards as tables for a paper: scores over seeds, intervals and tie groups, the best in bold."""
    from weightbench.leaderboard.board.board import load_boards
    from weightbench.leaderboard.pages.paper_table import paper_tables

    if results is None:
        from weightbench.leaderboard.submit.submission import home_folder

        results = home_folder("--results") / "results"
    chosen = [b for b in load_boards(results) if task in (None, b.task) and zoo in (None, b.zoo)]
    if not chosen:
        asked = " ".join(f"--{name} {value}" for name, value in (("task", task), ("zoo", zoo)) if value)
        raise BadInput(
            f"{results}: no results{f' for {asked}' if asked else ''}; `weightbench leaderboard` shows what is"
        )
    print(paper_tables(chosen, form.value))


def submit(
    runs: Annotated[Path, typer.Argument(help="A results folder, as `weightbench run` writes it.")],
    zoo: Annotated[
        list[Path] | None, typer.Option(help="The folder of a zoo that is not in the cache; repeatable.")
    ] = None,
    home: Annotated[Path | None, typer.Option(help="Receives results/ and zoos/.  [default: leaderboard]")] = None,
) -> None:
    """Check and re-score every result of a folder, and copy the evidence to leaderboard/: all of it, or nothing."""
    from weightbench.leaderboard.submit.submission import home_folder, pull_request_steps
    from weightbench.leaderboard.submit.submission import submit as hand_in

    home = home or home_folder("--home")
    done = hand_in(runs, home, zoo or [])
    size = sum(path.stat().st_size for path in done.written)
    print(f"{len(done.results)} results checked and copied to {home} ({size / 1e6:.1f} MB)")
    if done.replications:
        print(f"{len(done.replications)} replications of results that are there already, kept beside them")
    if done.kept:
        print(f"{done.kept} were there already")
    if done.failed:
        print(f"{done.failed} of them failed runs, which the board shows")
    if done.written:
        print("\nNext:\n")
        print("\n".join(f"    {line}" for line in pull_request_steps(done, home)))


def diff(
    a: Annotated[
        str,
        typer.Argument(help="A method (its best row on validation data), a row's label or spec, or a results folder."),
    ],
    b: Annotated[str, typer.Argument(help="The one that is compared with it.")],
    results: Annotated[Path | None, typer.Option(help="Where two methods are.  [default: leaderboard/results]")] = None,
    as_json: Json = False,
) -> None:
    """Compare two methods, or two results folders, item by item: a paired test on the same test networks."""
    from weightbench.leaderboard.board.compare_rows import compare_folders, compare_methods

    if Path(a).is_dir() and Path(b).is_dir():
        found = compare_folders(Path(a), Path(b))
    else:
        from weightbench.leaderboard.submit.submission import home_folder

        found = compare_methods(results or home_folder("--results") / "results", a, b)
    if as_json:
        print(json.dumps([one.as_dict() for one in found], indent=1))
        return
    for one in found:
        counted = "" if one.better is None else f"; better on {one.better}, worse on {one.worse}, equal on {one.equal}"
        print(f"{one.board}\n  a {one.a}: {one.score_a:.4g}\n  b {one.b}: {one.score_b:.4g}")
        ends = "" if one.low is None else f" [{one.low:+.4g}, {one.high:+.4g}] over {one.over}"
        few = "too few for an interval" if one.low is None else "too few seeds for a test"
        test = few if one.p is None else f"p = {one.p:.2g}"
        print(f"  b - a {one.difference:+.4g}{ends}, {one.units}, {test}{counted}")


def picture(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT...", help="Records .../seed-0.json, or folders of records.")
    ],
    out: Annotated[Path, typer.Option(help="Where the pictures go.")] = Path("pictures"),
    form: Annotated[str, typer.Option("--format", help="png or svg.")] = "png",
) -> None:
    """Draw results: learning curves, predicted against true, embeddings, edited INRs; those of one board together."""
    from weightbench.leaderboard.pictures.result_pictures import draw_results

    for path in draw_results(results, out, form):
        print(path)


def print_boards(boards: Iterable[Board]) -> None:
    """Print boards as tables."""
    for board in boards:
        _print_board(board)


def _as_dict(board: Board) -> dict[str, Any]:
    keys = ("task", "task_version", "zoo", "zoo_version", "recipe_sha256", "metric", "unit")
    more = ("higher_is_better", "n_train", "n_test")
    rows = json.loads(board.rows.to_json(orient="records", double_precision=10))
    about = {key: getattr(board, key) for key in (*keys, *more)}
    return {"title": board.title, "options": dict(board.options)} | about | {"rows": rows}


def _print_board(board: Board) -> None:
    from rich.cells import cell_len
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from weightbench.leaderboard.board.wording import how_many
    from weightbench.leaderboard.pages.board_tables import failures, table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(width=1000, highlight=False)  # a log has no edge to wrap at
    header, rows = table(board)
    names = max(24, console.width // 3)  # of the methods and their settings: the only column that may wrap
    widths = [max(map(cell_len, column)) for column in zip(header, *rows, strict=True)]
    ends = accumulate(width + 2 for width in [min(widths[0], names), *widths[1:]])
    shown = max(2, sum(end - 2 <= console.width for end in ends))
    view = Table(box=None, pad_edge=False)
    view.add_column(header[0], max_width=names, overflow="fold")
    for number, name in enumerate(header[1:shown], 1):
        view.add_column(name, justify="right", style="bold" if number == 1 else "", no_wrap=True)
    for row in rows:
        view.add_row(*(escape(cell) for cell in row[:shown]))
    console.print(f"\n{escape(board.title)}  [dim]{escape(board.score_label)}; {board.test_split}")
    console.print(view)
    if more := len(header) - shown:
        console.print(f"[dim]{how_many(more, 'column')} more: on a wider terminal, or in scores.csv")
    for line in failures(board):
        console.print(f"Failed: {line}", style="red", markup=False)
