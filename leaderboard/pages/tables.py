"""What of a board is shown, and how: the columns, the text of every cell, the lines around it."""

from __future__ import annotations

import html

import pandas as pd

from ..board.board import Board
from ..board.reported import ReportedTable, published

SHOWN = {
    "method": "method",
    "score": "score",
    "interval": "95 % interval",
    "group": "tie group",
    "more": "other scores",
    "reported": "reported",
    "seeds": "seeds",
    "parameters": "parameters",
    "fit_s": "fit, s",
    "networks_per_s": "networks/s",
    "peak_mb": "peak, MB",
    "epochs": "epochs",
    "permutation": "permutation",
    "sign": "sign",
    "scale": "scale",
    "device": "device",
}
OPTIONAL = ("interval", "group", "more", "reported", "sign", "scale")


def shown(column: str, row: pd.Series) -> str:
    """One cell of a table as text; a dash where there is nothing."""
    if column == "interval":
        return "-" if pd.isna(row["low"]) else f"{row['low']:.2f} to {row['high']:.2f}"
    value = row[column]
    if column == "score":
        if pd.isna(value):
            return "failed"
        return f"{value:.2f}" + ("" if pd.isna(row["std"]) else f" ± {row['std']:.2f}")
    if not isinstance(value, str) and pd.isna(value):
        return "-"
    if column in ("permutation", "sign", "scale"):
        return "0" if value == 0 else f"{value:.1e}" if value < 0.01 else f"{value:.2f}"
    if column == "reported":
        return f"{value:g}"
    if isinstance(value, float):
        return f"{value:,.1f}" if column == "fit_s" and value < 100 else f"{value:,.0f}"
    return str(value)


def other_scores(board: Board) -> list[str]:
    """Names of the scores beside the headline one, in their order."""
    return list(dict.fromkeys(name for more in board.rows["more"].dropna() for name in more))


def table(board: Board) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a board as text; what no row has is left out. Each of the other scores has a column."""
    source = {"interval": "low"}
    columns = [c for c in SHOWN if c not in OPTIONAL or board.rows[source.get(c, c)].notna().any()]
    if board.rows["device"].nunique() < 2:
        columns.remove("device")
    names = other_scores(board)

    def cells(column: str, row: pd.Series) -> list[str]:
        if column != "more":
            return [shown(column, row)]
        return ["-" if not row["more"] else f"{row['more'][name]:.2f}" for name in names]

    header = [text for column in columns for text in (names if column == "more" else [SHOWN[column]])]
    return header, [[text for column in columns for text in cells(column, row)] for _, row in board.rows.iterrows()]


def failures(board: Board) -> list[str]:
    """One line for each method with failed runs."""
    rows = board.rows.dropna(subset=["failed"])
    return [f"{method}: {why}" for method, why in zip(rows["method"], rows["failed"], strict=True)]


def facts(board: Board) -> str:
    sizes = f"{board.n_train:,} training and {board.n_test:,} test networks"
    return f"{board.score_label}; {sizes}; zoo recipe {board.recipe_sha256[:8]}"


def unmeasured(boards: list[Board]) -> list[ReportedTable]:
    """Printed tables that no board stands for yet."""
    return [t for t in published() if not any(t.fits(b.task, b.zoo, dict(b.options)) for b in boards)]


def markdown_table(header: list[str], rows: list[list[str]]) -> list[str]:
    body = [["---"] + ["---:"] * (len(header) - 1), *([escaped(cell) for cell in row] for row in rows)]
    return ["| " + " | ".join(cells) + " |" for cells in [header, *body]]


def escaped(text: str) -> str:
    """Text of a record as text: no HTML, no link, no table edge."""
    for sign in "\\`*[]|~":
        text = text.replace(sign, "\\" + sign)
    return html.escape(" ".join(text.split()), quote=False)
