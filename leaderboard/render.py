"""Boards as Markdown and CSV, and every file of a board together."""

from __future__ import annotations

import html
from pathlib import Path

import pandas as pd

from ..zoo.errors import BadInput
from ..zoo.machine import make_folder, write_atomically
from .board import COLUMNS, Board, load_boards
from .page import page
from .ranking import Ranking, rankings
from .reported import ReportedTable, published, reported_tables
from .reproduction import reproduction

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
KEYS = ["task", "options", "zoo", "recipe", "spec", "device"]


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


def markdown(boards: list[Board], ranked: list[Ranking] | None = None) -> str:
    """Every board as a table; `ranked` spares computing the average ranks again."""
    lines = ["# Leaderboard", ""]
    lines += [
        "`index.html` beside this page is the same board, to sort, filter and open; `scores.csv` is for programs.",
        "",
    ]
    if not boards:
        lines += ["No results yet. `weightbench run` makes some, `weightbench submit` hands them in.", ""]
    for board in boards:
        lines += [f"## {_text(board.title)}", "", f"{_text(facts(board))}.", *([board.note] if board.note else []), ""]
        header, rows = table(board)
        lines += [*markdown_table(header, rows), ""]
        lines += [f"Failed: {_text(line)}" for line in failures(board)]
        for printed in reported_tables(board.task, board.zoo, dict(board.options)):
            caveat = printed.caveat(board.zoo, board.zoo_version, board.recipe_sha256)
            lines += ["", *_reported(printed, caveat)]
        lines += [""]
    for ranking in rankings(boards) if ranked is None else ranked:
        lines += [f"## Average rank: {ranking.title}, {_text(ranking.device)}", "", *_ranking(ranking), ""]
    if boards:
        lines += ["## Columns", "", *(f"- **{name}**: {text}" for name, text in COLUMNS.items()), ""]
    if printed_only := unmeasured(boards):
        lines += ["## Reported in papers, not measured here yet", ""]
        for printed in printed_only:
            lines += [f"### {printed.title}", "", *_reported(printed), ""]
    return "\n".join(lines)


def _ranking(ranking: Ranking) -> list[str]:
    rows = [[name, f"{rank:.2f}", f"{low:.2f} to {high:.2f}"] for name, rank, low, high in ranking.rows]
    lines = [*markdown_table(["method", "average rank", "95 % interval"], rows), ""]
    lines.append(f"Over {len(ranking.boards)} boards, of methods that stand on all of them.")
    if ranking.left_out:
        lines.append(f"Not on all: {_text(', '.join(ranking.left_out))}.")
    return lines


def _reported(printed: ReportedTable, caveat: str = "") -> list[str]:
    source = f"*Reported, not measured here*: {printed.source}, {printed.date}. {printed.regime}."
    lines = [f"{source} {caveat}".rstrip(), ""]
    rows = [[row.method, row.shown(printed.spread)] for row in printed.rows]
    return lines + markdown_table(["method", f"reported {printed.metric}"], rows)


def markdown_table(header: list[str], rows: list[list[str]]) -> list[str]:
    body = [["---"] + ["---:"] * (len(header) - 1), *([_text(cell) for cell in row] for row in rows)]
    return ["| " + " | ".join(cells) + " |" for cells in [header, *body]]


def _text(text: str) -> str:
    """Text of a record as text: no HTML, no link, no table edge."""
    for sign in "\\`*[]|~":
        text = text.replace(sign, "\\" + sign)
    return html.escape(" ".join(text.split()), quote=False)


def csv(boards: list[Board]) -> str:
    """All boards in one table with stable columns."""
    columns = [*KEYS[:4], *COLUMNS]
    frames = [
        board.rows.assign(
            task=board.task,
            options=board.chosen,
            zoo=f"{board.zoo}@{board.zoo_version}",
            recipe=board.recipe_sha256[:8],
            more=board.rows["more"].map(_listed),
        )[columns].astype(object)
        for board in boards
    ]
    whole = pd.concat(frames) if frames else pd.DataFrame(columns=columns)
    return str(whole.map(_no_formula).to_csv(index=False))


def _listed(more: dict[str, float] | None) -> str | None:
    return ", ".join(f"{name} {value:.8g}" for name, value in more.items()) if more else None


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


def write_board(results: Path, out: Path, *, may_be_empty: bool = False) -> tuple[list[Board], list[Path]]:
    """Write every file of a board for a results folder into `out`. Raises BadInput."""
    boards = load_boards(results) if results.is_dir() or not may_be_empty else []
    if not boards and not may_be_empty:
        raise BadInput(f"{results}: no results there; `weightbench run` writes some")
    make_folder(out)
    written = []
    for name, text in board_files(boards).items():
        write_atomically(out / name, text.encode())
        written.append(out / name)
    return boards, written
