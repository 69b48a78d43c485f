"""The board as one HTML page that opens from disk: tables, plots and records in one file, and no request leaves it.

Whatever comes from a record travels as JSON in a script tag, `<`, `>` and `&` escaped, and is shown as text; the tables
for printing, and for browsers without scripts, are escaped by jinja2.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from ...runtime.errors import BadInput
from ..board.average_ranking import Ranking, rankings
from ..board.board import Board
from ..board.columns import COLUMNS, CSV_ORDER
from ..board.overview import GROUPS, RULES, by_task, overview
from ..board.printed_tables import ReportedTable, published
from .board_tables import facts, failures, identities, ranked_over, table
from .page_data import as_script_data, page_data, printed_address, row_address
from .reproduction_page import Measured, Pair, measured_tables, paired

FOLDER = Path(__file__).parent
TEMPLATES, VENDOR = FOLDER / "templates", FOLDER / "vendor"
SCRIPTS = ("d3.min.js", "plot.umd.min.js", "tabulator.min.js")
OWN = ("parts.js", "views.js", "printed.js", "page.js")


def page(boards: list[Board], ranked: list[Ranking]) -> str:
    """The whole page as text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader(__package__, "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    addresses = identities(boards)
    measured = measured_tables(boards)
    sections = [_section(address, board, measured) for address, board in zip(addresses, boards, strict=True)]
    by_board = {id(board): section for board, section in zip(boards, sections, strict=True)}
    found, data = overview(boards), page_data(boards)
    own = [(TEMPLATES / name).read_text() for name in OWN]
    ordered = sorted(COLUMNS, key=lambda column: CSV_ORDER.index(column.key))
    text: str = environment.get_template("page.html").render(
        tasks=[(task, [sections[place] for place in places]) for task, places in by_task(boards)],
        overview=found,
        tasks_shown=[(column, sections[column.place]) for column in found.columns],
        rules=RULES,
        rankings=[(ranking, ranked_over(ranking)) for ranking in ranked],
        methods=_by_kind(data["methods"]),
        zoos=[zoo["name"] for zoo in data["zoos"]],
        measured=[
            _reported(table) | {"boards": [_beside(table, by_board[id(board)], matched) for board, matched in beside]}
            for table, beside in measured
        ],
        printed=[_reported(table) for table in published() if table not in [known for known, _ in measured]],
        columns=[(column.title or column.key, column.key, column.about) for column in ordered],
        data=Markup(as_script_data(data)),
        style=Markup(_vendored("tabulator_simple.min.css") + (TEMPLATES / "page.css").read_text()),
        scripts=[Markup(script) for script in (*map(_vendored, SCRIPTS), *own)],
        licences=Markup((VENDOR / "LICENSES.txt").read_text()),
    )
    return text


def _by_kind(methods: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """The names in each group of the overview that has any."""
    found = [(group, [m["name"] for m in methods if m["kind"] in kinds]) for group, kinds in GROUPS.items()]
    return [(group, names) for group, names in found if names]


def _section(address: str, board: Board, measured: list[Measured]) -> dict[str, Any]:
    """What the template shows of a board."""
    header, rows = table(board)
    return {
        "id": address,
        "rows": [(row_address(address, board, place), cells) for place, cells in enumerate(rows)],
        "board": board,
        "facts": facts(board),
        "header": header,
        "failures": failures(board),
        "hardware": sorted(set(board.rows["hardware"])),
        "printed": [
            _reported(table) for table, beside in measured if any(board is measuring for measuring, _ in beside)
        ],
    }


@cache
def _vendored(name: str) -> str:
    """A library's file, without the pointer to its source map."""
    return re.sub(r"/[/*]# sourceMappingURL=\S+( \*/)?", "", (VENDOR / name).read_text(encoding="utf-8"))


def _reported(table: ReportedTable) -> dict[str, Any]:
    """What the template shows of a printed table."""
    rows = [(row.method, row.shown(table.spread)) for row in table.rows]
    about = table.model_dump(exclude={"rows"})
    return about | {"id": printed_address(table), "title": table.title, "rows": rows}


def _beside(table: ReportedTable, section: dict[str, Any], matched: list[Pair]) -> dict[str, Any]:
    """Its rows beside those of a board."""
    board = section["board"]
    return {
        "id": section["id"],
        "board": board,
        "caveat": table.caveat(board.zoo, board.zoo_version, board.recipe_sha256),
        "rows": [(row.name, row.shown(table.spread), pair) for row, pair in paired(table, matched)],
    }


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
