"""Boards as tables for a paper: LaTeX (package booktabs), Markdown or CSV, with intervals and tie groups."""

from __future__ import annotations

from ..board.board import Board
from ..board.columns import COLUMNS
from .board_files import csv
from .board_tables import escaped, facts, table_lines

SHOWN = ("method", "score", "low", "group", "seeds", "device")
SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "⁻": r"\textsuperscript{-}",
    "²": r"\textsuperscript{2}",
} | {sign: f"\\{sign}" for sign in "&%$#_"}


def paper_tables(boards: list[Board], form: str) -> str:
    """The boards as text.

    Arguments:
        boards: in the order of the tables.
        form: "latex", "markdown" or "csv"; CSV has every column of the board, all boards in one table.
    """
    if form == "csv":
        return csv(boards).rstrip("\n")
    write = _latex if form == "latex" else _markdown
    return "\n\n".join("\n".join(write(board)) for board in boards)


def _cells(board: Board) -> tuple[list[str], list[tuple[bool, list[str]]]]:
    """Header and rows as text, each row with whether it is of the first tie group."""
    several = board.rows["device"].nunique() > 1
    keys = SHOWN if several else SHOWN[:-1]
    columns = [column for column in COLUMNS if column.key in keys and column.stands(board.rows)]
    rows = [(cells["group"] == 1, [column.shown(cells) for column in columns]) for _, cells in board.rows.iterrows()]
    return [column.title for column in columns], rows


def _markdown(board: Board) -> list[str]:
    header, rows = _cells(board)
    lines = [
        [f"**{escaped(text)}**" if best and at == 1 else escaped(text) for at, text in enumerate(row)]
        for best, row in rows
    ]
    caption = f"{escaped(board.title)}: {escaped(facts(board))}. Bold: the first tie group."
    return [*table_lines(header, lines), "", caption]


def _latex(board: Board) -> list[str]:
    header, rows = _cells(board)
    lines = [
        [rf"\textbf{{{_tex(text)}}}" if best and at == 1 else _tex(text) for at, text in enumerate(row)]
        for best, row in rows
    ]
    return [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_tex(board.title)}: {_tex(facts(board))}. Bold: the first tie group.}}",
        rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        r"\toprule",
        *[" & ".join(map(_tex, header)) + r" \\", r"\midrule"],
        *(" & ".join(line) + r" \\" for line in lines),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def _tex(text: str) -> str:
    """Text of a record as text: no command of TeX."""
    return "".join(SPECIAL.get(sign, sign) for sign in " ".join(text.split()))
