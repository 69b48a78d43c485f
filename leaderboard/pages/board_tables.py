"""A board as text: its address, header and rows of its table, and the lines around it."""

from __future__ import annotations

import html
import re

import pandas as pd

from ..board.average_ranking import Ranking
from ..board.board import Board
from ..board.columns import COLUMNS, OTHER_SCORES, Column, number
from ..board.printed_tables import ReportedTable, published


def identities(boards: list[Board]) -> list[str]:
    """An anchor for each board: task, zoo, version and options, and the recipe where that is not enough."""
    plain = [slug(f"{b.question}-{b.zoo}-{b.zoo_version}" + (f"-{b.chosen}" if b.chosen else "")) for b in boards]
    return [s if plain.count(s) == 1 else f"{s}-{b.recipe_sha256[:8]}" for s, b in zip(plain, boards, strict=True)]


def slug(text: str) -> str:
    """Text as part of an address or a file name."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")


def other_scores(board: Board) -> list[str]:
    """Names of the scores beside the headline one, in their order."""
    return list(dict.fromkeys(name for more in board.rows[OTHER_SCORES.key].dropna() for name in more))


def table(board: Board) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a board as text; what no row has is left out. Each of the other scores has a column."""
    several = board.rows["device"].nunique() > 1
    columns = [c for c in COLUMNS if c.tables and c.stands(board.rows) and (several or c.key != "device")]
    names = other_scores(board)

    def cells(column: Column, row: pd.Series) -> list[str]:
        return other_scores_shown(row, names) if column is OTHER_SCORES else [column.shown(row)]

    header = [text for column in columns for text in (names if column is OTHER_SCORES else [column.title])]
    return header, [[text for column in columns for text in cells(column, row)] for _, row in board.rows.iterrows()]


def other_scores_shown(row: pd.Series, names: list[str]) -> list[str]:
    """The other scores of a row as text, with their intervals where they have some."""
    found, between = row[OTHER_SCORES.key], row["between"] or {}
    if not found:
        return [OTHER_SCORES.missing(row)] * len(names)
    return [with_interval(found[name], between.get(name)) for name in names]


def with_interval(score: float | None, interval: tuple[float | None, float | None] | None) -> str:
    """A score as text, its interval behind it where there is one: "0.45 (0.30 to 0.58)"."""
    if score is None or pd.isna(score):
        return "-"
    ends = [number(end) for end in interval or () if pd.notna(end)]
    return number(score) + (f" ({' to '.join(ends)})" if ends else "")


def failures(board: Board) -> list[str]:
    """One line for each method with failed runs."""
    rows = board.rows.dropna(subset=["failed"])
    return [f"{method}: {why}" for method, why in zip(rows["method"], rows["failed"], strict=True)]


def facts(board: Board) -> str:
    """What its scores are, and of how many networks."""
    sizes = f"{board.n_train:,} training and {board.test_split}"
    own = "; the task is no part of the suite" if board.is_plug_in else ""
    return f"{board.score_label}; {sizes}; zoo recipe {board.recipe_sha256[:8]}{own}"


def ranked_over(ranking: Ranking) -> str:
    """What average ranks are over."""
    counted = f"{ranking.zoos} {'zoo' if ranking.zoos == 1 else 'zoos, each once for every task'}"
    return f"Over {len(ranking.boards)} boards on {counted}, of methods that stand on all of them."


def unmeasured(boards: list[Board]) -> list[ReportedTable]:
    """Printed tables that no board stands for yet."""
    return [t for t in published() if not any(t.fits(b.task, b.zoo, dict(b.options)) for b in boards)]


def markdown_table(header: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a Markdown table of plain text."""
    return table_lines(header, [[escaped(cell) for cell in row] for row in rows])


def table_lines(header: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a Markdown table, whose cells are Markdown already."""
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return ["| " + " | ".join(cells) + " |" for cells in [header, rule, *rows]]


def escaped(text: str) -> str:
    """Text of a record as text: no HTML, no link, no table edge."""
    for sign in "\\`*[]|~":
        text = text.replace(sign, "\\" + sign)
    return html.escape(" ".join(text.split()), quote=False)
