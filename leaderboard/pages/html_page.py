"""The board as one HTML page that opens from disk: tables, plots and records in one file, and no request leaves it.

Whatever comes from a record travels as JSON in a script tag, `<`, `>` and `&` escaped, and is shown as text; the tables
for printing, and for browsers without scripts, are escaped by jinja2.
"""

from __future__ import annotations

import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from ...benchmarks.records.result import Result, shown_unit
from ...runtime.errors import BadInput
from ..board.average_ranking import Ranking, rankings
from ..board.board import Board
from ..board.columns import ABOUT, COLUMNS, CSV_ORDER, OTHER_SCORES
from ..board.command_line import command
from ..board.overview import RULES, by_task, overview
from ..board.printed_tables import ReportedTable, reported_tables
from ..board.rows import hardware
from .board_tables import (
    facts,
    failures,
    identities,
    other_scores,
    other_scores_shown,
    ranked_over,
    slug,
    table,
    unmeasured,
)

FOLDER = Path(__file__).parent
TEMPLATES, VENDOR = FOLDER / "templates", FOLDER / "vendor"
WORDS = ("audit", "device", "hardware", "spec")  # columns that are sorted as text
SCRIPTS = ("d3.min.js", "plot.umd.min.js", "tabulator.min.js")


def page(boards: list[Board], ranked: list[Ranking]) -> str:
    """The whole page as text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader(__package__, "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    addresses = identities(boards)
    sections = [_section(address, board) for address, board in zip(addresses, boards, strict=True)]
    found = overview(boards)
    data = {"boards": [_data(i, b) for i, b in zip(addresses, boards, strict=True)], "columns": _columns()}
    text: str = environment.get_template("page.html").render(
        tasks=[(task, [sections[place] for place in places]) for task, places in by_task(boards)],
        overview=found,
        tasks_shown=[(column, sections[column.place]) for column in found.columns],
        rules=RULES,
        rankings=[(ranking, ranked_over(ranking)) for ranking in ranked],
        printed=[_reported(printed) for printed in unmeasured(boards)],
        columns=ABOUT,
        data=Markup(as_script_data(data)),
        style=Markup(_vendored("tabulator_simple.min.css") + (TEMPLATES / "page.css").read_text()),
        scripts=[Markup(_vendored(name)) for name in SCRIPTS] + [Markup((TEMPLATES / "page.js").read_text())],
        licences=Markup((VENDOR / "LICENSES.txt").read_text()),
    )
    return text


def _section(address: str, board: Board) -> dict[str, Any]:
    """What the template shows of a board."""
    header, rows = table(board)
    return {
        "id": address,
        "rows": [(_row_address(address, board, place), cells) for place, cells in enumerate(rows)],
        "board": board,
        "facts": facts(board),
        "header": header,
        "failures": failures(board),
        "hardware": sorted(set(board.rows["hardware"])),
        "reported": [
            _reported(printed, printed.caveat(board.zoo, board.zoo_version, board.recipe_sha256))
            for printed in reported_tables(board.task, board.zoo, dict(board.options))
        ],
    }


def _row_address(address: str, board: Board, place: int) -> str:
    return f"{address}/{slug(board.rows['spec'][place] + '-' + board.rows['device'][place])}"


def as_script_data(content: Any) -> str:
    """JSON that can stand in a script tag: nothing in it closes the tag or opens another."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _vendored(name: str) -> str:
    """A library's file, without the pointer to its source map."""
    return re.sub(r"/[/*]# sourceMappingURL=\S+( \*/)?", "", (VENDOR / name).read_text(encoding="utf-8"))


def _data(identity: str, board: Board) -> dict[str, Any]:
    names = other_scores(board)
    rows = []
    for place, ((_, cells), row) in enumerate(zip(board.rows.iterrows(), board.evidence, strict=True)):
        first, others = row.first, dict(zip(names, other_scores_shown(cells, names), strict=True))
        shown = {column.key: column.shown(cells) for column in COLUMNS if column.title and column is not OTHER_SCORES}
        rows.append(
            {key: _plain(cells[key]) for key in CSV_ORDER}
            | {
                "id": _row_address(identity, board, place),
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
                "points": [[float(f"{value:.4g}") for value in pair] for pair in row.points],
                "runs": [_run(result, score) for result, score in zip(row.results, row.seed_scores, strict=True)],
            }
        )
    return {
        "id": identity,
        "title": board.title,
        "task": board.task,
        "zoo": board.zoo,
        "metric": board.metric,
        "unit": shown_unit(board.unit),
        "higher": board.higher_is_better,
        "more": names,
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
        "error": result.error,
        "fit_s": cost.fit_s if cost else None,
        "networks_per_s": cost.predict_networks_per_s if cost else None,
        "peak_mb": cost.peak_memory_mb if cost else None,
        "hardware": hardware(result.environment),
        "finished": result.finished,
    }
    return {key: _plain(value) for key, value in content.items()}


def _curves(results: list[Result]) -> list[dict[str, Any]]:
    """Learning curves as points, for one plot per name."""
    return [
        {"name": name.replace("_", " "), "seed": str(result.seed), "epoch": epoch, "value": _plain(value)}
        for result in results
        for name, values in (result.curves or {}).items()
        for epoch, value in enumerate(values, 1)
    ]


def _reported(printed: ReportedTable, caveat: str = "") -> dict[str, Any]:
    rows = [(row.method, row.shown(printed.spread)) for row in printed.rows]
    return printed.model_dump(exclude={"rows"}) | {"title": printed.title, "rows": rows, "caveat": caveat}


def write_space(folder: Path, boards: list[Board]) -> list[Path]:
    """Write what a static Space of the Hugging Face Hub needs: a card and the page. Raises BadInput."""
    from ...runtime.files import make_folder, write_atomically

    if folder.exists() and any(path.name not in ("README.md", "index.html", ".git") for path in folder.iterdir()):
        raise BadInput(f"{folder}: holds other files; give --space an empty folder, or one of a Space")
    make_folder(folder)
    card = (TEMPLATES / "space.md").read_text()
    for name, text in (("README.md", card), ("index.html", page(boards, rankings(boards)))):
        write_atomically(folder / name, text.encode())
    return [folder / "README.md", folder / "index.html"]
