"""Pictures of results, from their records and stored predictions; results of one board share a picture. Torch-free."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...benchmarks.records.results_folder import RECORD, Record, read_record
from ...runtime.errors import BadInput, unknown
from ...runtime.files import make_folder
from ..board.row_names import row_names
from ..evidence.analysis import evaluated
from ..pages.board_tables import slug
from .shown_result import ShownResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg")
RESULT_LIMIT = 24  # in one picture


def draw_results(results: Sequence[Path], out: Path, form: str = "png") -> list[Path]:
    """Draw everything that the evidence of some results shows, into `out`; returns the files.

    Arguments:
        results: records, or folders of records.
        form: "png" or "svg".

    Raises BadInput for damaged evidence, and where there is nothing to draw.
    """
    from .picture_kinds import FIGURES

    if form not in FORMATS:
        raise unknown("format", form, FORMATS)
    paths = [path for given in results for path in _paths(given)]
    boards: dict[tuple[str, str, str, str], list[Record]] = {}
    for path in dict.fromkeys(path.resolve() for path in paths):
        record = read_record(path)
        if record.succeeded:
            about = record.result.zoo
            key = (record.result.task.title, about.name, about.version, about.recipe_sha256)
            boards.setdefault(key, []).append(record)
    if not boards:
        raise BadInput(f"{results[0]}: none of {len(paths)} results there succeeded, so there is nothing to draw")
    pictures: list[tuple[str, Callable[[list[ShownResult]], Figure | None], list[ShownResult]]] = []
    for (task, zoo, version, recipe), records in boards.items():
        if len(records) > RESULT_LIMIT:
            raise BadInput(
                f"{task} on {zoo}: {len(records)} results are too many for a picture: name at most {RESULT_LIMIT}"
            )
        names = [slug(f"{task}-{zoo}-{version}"), recipe[:8]]
        alone = sum(key[:3] == (task, zoo, version) for key in boards) == 1
        pictures += [
            (f"{'-'.join(names[: 1 if alone else 2])}-{kind}.{form}", figure, shown)
            for shown in [list(_shown(records))]
            for kind, figure in FIGURES.items()
        ]
    from ...runtime.drawing import save

    make_folder(out)
    written = []
    for name, draw, shown in pictures:
        if (figure := draw(shown)) is not None:
            save(figure, out / name)
            written.append(out / name)
    if not written:
        raise BadInput(f"{results[0]}: these results hold no learning curves and no predictions that can be drawn")
    return written


def _paths(given: Path) -> list[Path]:
    if not given.exists():
        raise BadInput(f"{given}: no such file or folder; `weightbench run` writes records, .../seed-0.json")
    if given.is_file():
        return [given]
    found = sorted(given.rglob(RECORD))
    if not found:
        raise BadInput(f"{given}: no records there; `weightbench run` writes some")
    return found


def _shown(records: list[Record]) -> Iterator[ShownResult]:
    several = len({record.result.seed for record in records}) > 1
    called = row_names([record.result for record in records])
    for record, name in zip(records, called, strict=True):
        result, truth = record.result, record.truth
        scores = evaluated(record, truth).scores
        ids, arrays = record.predictions()
        label = f"{name}, seed {result.seed}" if several else name
        yield ShownResult(result, "\n".join(textwrap.wrap(label, 40)), arrays, scores, truth, truth.table.loc[ids])
