"""Boards as Markdown, CSV and one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..zoo.errors import BadInput
from ..zoo.machine import make_folder, write_atomically
from .board import COLUMNS, Board, load_boards
from .picture import score_against_cost

SHOWN = {
    "method": "method",
    "score": "score",
    "seeds": "seeds",
    "parameters": "parameters",
    "fit_s": "fit, s",
    "networks_per_s": "networks/s",
    "peak_mb": "peak, MB",
    "epochs": "epochs",
    "permutation": "permutation",
    "sign": "sign",
    "scale": "scale",
}


def shown(column: str, row: pd.Series) -> str:
    """One cell of a table as text; a dash where there is nothing."""
    value = row[column]
    if column == "score":
        if pd.isna(value):
            return "failed"
        return f"{value:.2f}" + ("" if pd.isna(row["std"]) else f" ± {row['std']:.2f}")
    if not isinstance(value, str) and pd.isna(value):
        return "-"
    if column in ("permutation", "sign", "scale"):
        return "0" if value == 0 else f"{value:.1e}" if value < 0.01 else f"{value:.2f}"
    if isinstance(value, float):
        return f"{value:,.1f}" if column == "fit_s" and value < 100 else f"{value:,.0f}"
    return str(value)


def table(board: Board) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a board as text; the symmetries that no row has are left out."""
    columns = [c for c in SHOWN if c not in ("sign", "scale") or board.rows[c].notna().any()]
    return [SHOWN[c] for c in columns], [[shown(c, row) for c in columns] for _, row in board.rows.iterrows()]


def failures(board: Board) -> list[str]:
    """One line for each method with failed runs."""
    rows = board.rows.dropna(subset=["failed"])
    return [f"{method}: {why}" for method, why in zip(rows["method"], rows["failed"], strict=True)]


def markdown(boards: list[Board]) -> str:
    lines = ["# Leaderboard", ""]
    for board in boards:
        lines += [f"## {board.title}", "", f"{_facts(board)}.", ""]
        header, rows = table(board)
        lines += [_markdown_row(header), _markdown_row(["---"] + ["---:"] * (len(header) - 1))]
        lines += [_markdown_row(row) for row in rows]
        lines += ["", *(f"Failed: {line}" for line in failures(board)), ""]
    lines += ["## Columns", "", *(f"- **{name}**: {text}" for name, text in COLUMNS.items()), ""]
    return "\n".join(lines)


def _markdown_row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _facts(board: Board) -> str:
    sizes = f"{board.n_train:,} training and {board.n_test:,} test networks"
    facts = f"{board.score_label}; {sizes}; zoo recipe {board.recipe_sha256[:8]}"
    return f"{facts}. {board.note}" if board.note else facts


def csv(boards: list[Board]) -> str:
    """All boards in one table with stable columns."""
    frames = [
        board.rows.assign(
            task=f"{board.task}{board.options}", zoo=f"{board.zoo}@{board.zoo_version}", recipe=board.recipe_sha256[:8]
        )
        for board in boards
    ]
    return str(pd.concat(frames)[["task", "zoo", "recipe", *COLUMNS]].to_csv(index=False))


def html(boards: list[Board]) -> str:
    """One page with everything in it; whatever comes from a record is escaped."""
    environment = Environment(
        loader=PackageLoader(__package__, "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    sections: list[dict[str, Any]] = []
    for board in boards:
        header, rows = table(board)
        sections.append(
            {
                "title": board.title,
                "facts": _facts(board),
                "header": header,
                "rows": rows,
                "failures": failures(board),
                "hardware": sorted(set(board.rows["hardware"])),
                "picture": Markup(score_against_cost(board)) if board.rows["score"].notna().any() else "",
            }
        )
    return environment.get_template("board.html").render(sections=sections, columns=COLUMNS)


def write_board(results: Path, out: Path) -> tuple[list[Board], list[Path]]:
    """Write `README.md`, `scores.csv` and `index.html` of a results folder into `out`. Raises BadInput."""
    boards = load_boards(results)
    if not boards:
        raise BadInput(f"{results}: no results there; `weightbench run` writes some")
    make_folder(out)
    written = []
    for name, text in (("README.md", markdown(boards)), ("scores.csv", csv(boards)), ("index.html", html(boards))):
        write_atomically(out / name, text.encode())
        written.append(out / name)
    return boards, written
