"""Boards as Markdown and CSV, and every file of a board together."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ...runtime.errors import BadInput
from ...runtime.files import make_folder, write_atomically
from ..board.average_ranking import Ranking, rankings
from ..board.board import Board, load_boards
from ..board.columns import ABOUT, CSV_ORDER
from ..board.overview import by_task
from ..board.printed_tables import ReportedTable, reported_tables
from .board_tables import escaped, facts, failures, identities, markdown_table, ranked_over, table, unmeasured
from .html_page import page
from .markdown_overview import markdown_overview, with_overview
from .reproduction_page import reproduction
from .transfer_table import Transfer, transfers

KEYS = ["task", "options", "zoo", "recipe", "spec", "device"]


def markdown(boards: list[Board], ranked: list[Ranking] | None = None) -> str:
    """The overview, and every board as a table; `ranked` spares computing the average ranks again."""
    lines = ["# Leaderboard", "", *markdown_overview(boards), ""]
    lines += [
        "`index.html` beside this page is the same board, to sort, filter and open; `scores.csv` is for programs.",
        "",
    ]
    if not boards:
        lines += ["No results yet. `weightbench run` makes some, `weightbench submit` hands them in.", ""]
    addresses = identities(boards)
    for task, places in by_task(boards):
        lines += [f"## {escaped(task)}", ""]
        for place in places:
            lines += [f'<a id="{addresses[place]}"></a>', "", *_section(boards[place])]
    for ranking in rankings(boards) if ranked is None else ranked:
        lines += [f"## Average rank: {ranking.title}, {escaped(ranking.device)}", "", *_ranking(ranking), ""]
    for transfer in transfers(boards):
        lines += [f"## Transfer: {escaped(transfer.title)}", "", *_transfer(transfer), ""]
    if boards:
        lines += ["## Columns", "", *(f"- **{name}**: {text}" for name, text in ABOUT.items()), ""]
    if printed_only := unmeasured(boards):
        lines += ["## Reported in papers, not measured here yet", ""]
        for printed in printed_only:
            lines += [f"### {printed.title}", "", *_reported(printed), ""]
    return "\n".join(lines)


def _section(board: Board) -> list[str]:
    about = [f"{escaped(facts(board))}.", *board.notes]
    lines = [f"### {escaped(board.title)}", "", *about, ""]
    header, rows = table(board)
    lines += [*markdown_table(header, rows), ""]
    lines += [f"Failed: {escaped(line)}" for line in failures(board)]
    for printed in reported_tables(board.task, board.zoo, dict(board.options)):
        caveat = printed.caveat(board.zoo, board.zoo_version, board.recipe_sha256)
        lines += ["", *_reported(printed, caveat)]
    return [*lines, ""]


def _ranking(ranking: Ranking) -> list[str]:
    rows = [[name, f"{rank:.2f}"] for name, rank in ranking.rows]
    lines = [*markdown_table(["method", "average rank"], rows), ""]
    lines.append(ranked_over(ranking))
    if ranking.left_out:
        lines.append(f"Not on all: {escaped(', '.join(ranking.left_out))}.")
    return lines


def _transfer(transfer: Transfer) -> list[str]:
    header = ["method", "learned from", *(f"tested on {zoo}" for zoo in transfer.zoos)]
    return [f"{escaped(transfer.measure)}; 95 % intervals in parentheses.", "", *markdown_table(header, transfer.rows)]


def _reported(printed: ReportedTable, caveat: str = "") -> list[str]:
    source = f"*Reported, not measured here*: {printed.source}, {printed.date}. {printed.regime}."
    lines = [f"{source} {caveat}".rstrip(), ""]
    rows = [[row.method, row.shown(printed.spread)] for row in printed.rows]
    return lines + markdown_table(["method", f"reported {printed.metric}"], rows)


def csv(boards: list[Board]) -> str:
    """All boards in one table with stable columns."""
    columns = [*KEYS[:4], *CSV_ORDER]
    frames = [
        board.rows.assign(
            task=board.task,
            options=board.chosen,
            zoo=f"{board.zoo}@{board.zoo_version}",
            recipe=board.recipe_sha256[:8],
            more=board.rows["more"].map(_listed),
            between=board.rows["between"].map(_intervals),
        )[columns].astype(object)
        for board in boards
    ]
    whole = pd.concat(frames) if frames else pd.DataFrame(columns=columns)
    return str(whole.map(_no_formula).to_csv(index=False))


def _listed(more: dict[str, float] | None) -> str | None:
    return ", ".join(f"{name} {value:.8g}" for name, value in more.items()) if more else None


def _intervals(between: dict[str, tuple[float, float]] | None) -> str | None:
    return ", ".join(f"{name} {low:.8g} to {high:.8g}" for name, (low, high) in between.items()) if between else None


def _no_formula(value: object) -> object:
    """Spreadsheets run text that begins like a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def board_files(boards: list[Board]) -> dict[str, str]:
    """The content of every file of a board, by name."""
    ranked = rankings(boards)
    return {
        "README.md": markdown(boards, ranked),
        "REPRODUCTION.md": reproduction(boards),
        "scores.csv": csv(boards),
        "index.html": page(boards, ranked),
    }


def files_of(boards: list[Board], out: Path, readme: Path | None = None) -> dict[Path, str]:
    """Where every file of a board goes, with its content: into `out`, and the overview into the project's README."""
    files = {out / name: text for name, text in board_files(boards).items()}
    return files | ({readme: with_overview(readme, boards)} if readme else {})


def write_board(
    results: Path, out: Path, *, readme: Path | None = None, may_be_empty: bool = False
) -> tuple[list[Board], list[Path]]:
    """Write every file of a board for a results folder into `out`, and the overview into `readme`. Raises BadInput."""
    boards = load_boards(results) if results.is_dir() or not may_be_empty else []
    if not boards and not may_be_empty:
        raise BadInput(f"{results}: no results there; `weightbench run` writes some")
    files = files_of(boards, out, readme)
    make_folder(out)
    for path, text in files.items():
        write_atomically(path, text.encode())
    return boards, list(files)
