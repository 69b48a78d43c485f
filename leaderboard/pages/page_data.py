"""What the page's script reads: boards, columns, methods, zoos and printed tables, as JSON."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterable
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd

from ...benchmarks.records.result import Result, shown_unit
from ...methods.contract.builtin import builtin_methods
from ..board.audit_marks import declared
from ..board.board import Board
from ..board.columns import COLUMNS, CSV_ORDER, OTHER_SCORES
from ..board.command_line import command
from ..board.overview import by_task, method_kind
from ..board.printed_tables import ReportedRow, ReportedTable
from ..board.rows import Row
from ..board.wording import hardware
from .board_tables import identities, other_scores, other_scores_shown, slug
from .reproduction_page import Pair, measured_tables, paired
from .zoo_facts import zoo_facts

HOME = Path(__file__).parents[2]
CURVE_POINTS = 60  # of a learning curve, at most
WORDS = ("audit", "device", "hardware", "spec")  # columns that are sorted as text


def page_data(boards: list[Board]) -> dict[str, Any]:
    """Everything, boards in the order of the page."""
    places = [place for _, group in by_task(boards) for place in group]
    addresses = {id(board): address for board, address in zip(boards, identities(boards), strict=True)}
    ordered = [boards[place] for place in places]
    return {
        "boards": [_board(addresses[id(board)], board) for board in ordered],
        "columns": _columns(),
        "methods": _methods([row for board in ordered for row in board.evidence]),
        "zoos": zoo_facts(ordered),
        "printed": [
            _printed(table, board, matched, addresses[id(board)])
            for table, found in measured_tables(boards)
            for board, matched in found
        ],
    }


def as_script_data(content: Any) -> str:
    """JSON that can stand in a script tag: nothing in it closes the tag or opens another."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _board(identity: str, board: Board) -> dict[str, Any]:
    names = other_scores(board)
    rows = []
    for place, ((_, cells), row) in enumerate(zip(board.rows.iterrows(), board.evidence, strict=True)):
        first, others = row.first, dict(zip(names, other_scores_shown(cells, names), strict=True))
        shown = {column.key: column.shown(cells) for column in COLUMNS if column.title and column is not OTHER_SCORES}
        rows.append(
            {key: _plain(cells[key]) for key in CSV_ORDER}
            | {
                "id": row_address(identity, board, place),
                "name": first.method.name,
                "shown": shown | {f"more{number}": others[name] for number, name in enumerate(names)},
                "paper": first.method.paper,
                "command": command(row.results),
                "params": {name: json.dumps(value) for name, value in first.method.params.items()},
                "source_sha256": first.method.source_sha256,
                "own_build": first.zoo.own_build,
                "selection": _words(first.selection),
                "budget": _words(first.budget),
                "environment": {k: str(v) for k, v in first.environment.items() if v is not None},
                "curves": _curves(row.results),
                "predicted": [_rounded(predicted) for _, predicted in row.points],
                "trials": sorted(map(_trial, (row, *row.rejected)), key=itemgetter("trial")) if row.rejected else [],
                "runs": [_run(result, score) for result, score in zip(row.results, row.seed_scores, strict=True)],
            }
        )
    return {
        "id": identity,
        "title": board.title,
        "task": board.task,
        "chosen": board.chosen,
        "zoo": board.zoo,
        "metric": board.metric,
        "unit": shown_unit(board.unit),
        "higher": board.higher_is_better,
        "more": names,
        "true": [_rounded(true) for true, _ in max(board.points, key=len, default=[])],
        "rows": rows,
    }


def _columns() -> list[dict[str, Any]]:
    """What the page's script knows of the columns."""
    return [
        {
            "field": column.key,
            "title": column.title,
            "about": column.about,
            "sparse": column.sparse,
            "opened": column.opened,
            "words": column.key in WORDS,
        }
        for column in COLUMNS
        if column.title
    ]


def _plain(value: Any) -> Any:
    """A value for JSON, which knows neither numpy's numbers nor NaN."""
    value = value.item() if hasattr(value, "item") else value
    return None if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)) else value


def _words(content: dict[str, Any] | None) -> str:
    return ", ".join(f"{key}: {_short(value)}" for key, value in (content or {}).items() if value is not None)


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _run(result: Result, score: float | None) -> dict[str, Any]:
    cost = result.cost
    content = {
        "seed": result.seed,
        "score": score,
        "status": result.status,
        "fit_s": cost.fit_s if cost else None,
        "networks_per_s": cost.predict_networks_per_s if cost else None,
        "peak_mb": cost.peak_memory_mb if cost else None,
        "hardware": hardware(result.environment),
        "finished": result.finished,
        "error": result.error,
    }
    return {key: _plain(value) for key, value in content.items()}


def _trial(row: Row) -> dict[str, Any]:
    """A trial of a random search: its settings, and what it gave at the first seed."""
    first = row.first
    settings = ", ".join(filter(None, (first.method.variant, first.method.recipe))) or "defaults"
    content = {
        "trial": first.trial.number if first.trial else None,
        "settings": settings,
        "val score": (first.selection or {}).get("val_score"),
        "score": row.seed_scores[0],
        "error": first.error,
    }
    return {key: _plain(value) for key, value in content.items()}


def _curves(results: list[Result]) -> list[dict[str, Any]]:
    """Learning curves by name and seed: the values of every so many epochs, as a plot of that width can show."""
    found = []
    for result in results:
        for name, values in (result.curves or {}).items():
            every = -(-len(values) // CURVE_POINTS)
            drawn = [_rounded(value) for value in values[every - 1 :: every]]
            found.append({"name": name.replace("_", " "), "seed": str(result.seed), "every": every, "values": drawn})
    return found


def _rounded(value: float) -> float | None:
    """To four digits, which is more than a plot shows; None for what is no number."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def row_address(board_address: str, board: Board, place: int) -> str:
    """The anchor of a row."""
    return f"{board_address}/{slug(board.rows['spec'][place] + '-' + board.rows['device'][place])}"


def printed_address(table: ReportedTable) -> str:
    """The anchor of a printed table."""
    return slug(f"printed-{table.title}-{table.source}")


def _methods(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Each method once, in the order of the rows."""
    first = {row.first.method.name: row for row in reversed(list(rows))}
    return [
        {
            "name": name,
            "kind": method_kind(name),
            "about": _about(_source(row), name),
            "paper": row.first.method.paper,
            "declared": list(declared(row.first) or ()),
        }
        for name, row in reversed(first.items())
    ]


def _source(row: Row) -> Path:
    """The file of a row's method, which need not be there."""
    method = row.first.method
    if method.name in builtin_methods():
        return HOME.joinpath(*builtin_methods()[method.name].split(".")[1:]).with_suffix(".py")
    return row.records[0].folder.source_path(method.source_sha256)


@cache
def _about(path: Path, name: str) -> str:
    """The first paragraph that documents the class of a method; "" where that cannot be read. Nothing is run."""
    try:
        statements = ast.parse(path.read_text()).body
    except (OSError, SyntaxError, ValueError):
        return ""
    for found in statements:
        if isinstance(found, ast.ClassDef) and any(_names(inner, name) for inner in found.body):
            return " ".join((ast.get_docstring(found) or "").split("\n\n")[0].split())
    return ""


def _names(statement: ast.stmt, name: str) -> bool:
    """Whether it is `name = "..."` with this name."""
    match statement:
        case ast.Assign(targets=[ast.Name(id="name")], value=ast.Constant(value=found)):
            return bool(found == name)
    return False


def _printed(table: ReportedTable, board: Board, matched: list[Pair], address: str) -> dict[str, Any]:
    """A printed table, beside the rows of a board that measure the same."""
    places = {(row["spec"], row["device"]): place for place, (_, row) in enumerate(board.rows.iterrows())}
    rows = []
    for printed, pair in paired(table, matched):
        rows.append({"method": printed.name, "printed": printed.score, "around": _around(table, printed)})
        if pair:
            place = places[pair.row["spec"], pair.row["device"]]
            measured = {name: _plain(pair.row[name]) for name in ("score", "low", "high")}
            rows[-1] |= measured | {"id": row_address(address, board, place), "name": board.rows["method"][place]}
    return {
        "id": printed_address(table),
        "board": address,
        "title": table.title,
        "source": table.source,
        "metric": ", ".join(filter(None, (table.metric, shown_unit(table.unit)))),
        "higher": table.higher_is_better,
        "rows": rows,
    }


def _around(table: ReportedTable, row: ReportedRow) -> list[float] | None:
    """A printed score less and plus its standard deviation; None where no spread is printed."""
    deviation = row.deviation(table.spread)
    return None if deviation is None else [float(f"{row.score + sign * deviation:.4g}") for sign in (-1, 1)]
