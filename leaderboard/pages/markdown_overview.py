"""The overview as Markdown: for the board's README, and between two comments of the project's own."""

from __future__ import annotations

from pathlib import Path

from ...runtime.errors import BadInput
from ..board.board import Board
from ..board.overview import RULES, Cell, TaskColumn, overview
from .board_tables import escaped, identities, table_lines

BEGIN, END = "<!-- overview: written by `weightbench leaderboard` -->", "<!-- end of the overview -->"
STYLES = {"best": "**{}**", "tied": "*{}*", "": "{}"}


def markdown_overview(boards: list[Board], address: str = "") -> list[str]:
    """The lines of the overview; its cells link to the boards in the Markdown file at `address`."""
    found = overview(boards)
    if not found.columns:
        return []
    header = ["", *map(_heading, found.columns)]
    rows = []
    for name, lines in found.groups():
        rows.append([f"*{name}*", *[""] * len(found.columns)])
        for line in lines:
            pairs = zip(line.cells, found.columns, strict=True)
            rows.append([escaped(line.method), *(_cell(cell, column) for cell, column in pairs)])
    legend = f"**Bold**: best. *Italic*: cannot be told from the best. {escaped(RULES)}"
    links = [f"[{escaped(c.board.task)}]: {address}#{identities(boards)[c.place]}" for c in found.columns]
    return [escaped(found.state), "", *table_lines(header, rows), "", legend, "", *links]


def with_overview(file: Path, boards: list[Board]) -> str:
    """The text of the project's README with its overview as these boards give it. Raises BadInput."""
    text = file.read_text() if file.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BadInput(f"{file}: no place for the overview; put a line {BEGIN} and a line {END} there")
    return "\n".join([before + BEGIN, "", *markdown_overview(boards, "leaderboard/README.md"), "", END + after])


def _heading(column: TaskColumn) -> str:
    about = f"{escaped(column.where)}<br>{escaped(column.measure)} {column.direction}"
    return f"[{escaped(column.board.task)}] {about}"


def _cell(cell: Cell | None, column: TaskColumn) -> str:
    return "" if cell is None else STYLES[cell.mark].format(f"[{escaped(cell.score)}][{escaped(column.board.task)}]")
