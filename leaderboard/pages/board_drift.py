"""Does a written board equal what its results give? Did any score move, and are the predictions a method's?

Which rows does the symmetry audit speak against?
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ...benchmarks.records.result import same_score
from ...benchmarks.records.results_folder import ResultsFolder
from ...runtime.errors import BadInput
from ..board.board import Board, load_boards
from ..evidence.plausibility import doubts
from .board_files import KEYS, csv, files_of


@dataclass(frozen=True)
class Drift:
    """What a check of a board finds, one line each.

    Arguments:
        problems: differences between the written board and the one that its results give; none is good.
        marked: methods that the symmetry audit speaks against, with where it does; the boards mark their rows.
    """

    problems: list[str]
    marked: list[str]


def drift(results: Path, out: Path, baseline: Path | None = None, readme: Path | None = None) -> Drift:
    """What is wrong with the board in `out`, made of `results`.

    Arguments:
        baseline: an earlier `scores.csv`; its scores must all be there still, unmoved.
        readme: the project's README, whose overview is the board's too.

    Raises BadInput for damaged evidence.
    """
    earlier = _baseline(baseline) if baseline else {}
    with warnings.catch_warnings(record=True) as claims:
        warnings.simplefilter("always")
        boards = load_boards(results) if results.is_dir() else []
    problems = [str(claim.message) for claim in claims]
    problems += doubts(ResultsFolder(results).records()) if results.is_dir() else []
    now = csv(boards)
    committed = out / "scores.csv"
    if committed.exists():
        problems += _moved(_scores(committed, committed.read_text()), _scores(committed, now), "the board's")
    problems += _moved(earlier, _scores(committed, now), f"{baseline}'s")
    for file, text in files_of(boards, out, readme).items():
        if not file.exists():
            problems.append(f"{file}: missing")
        elif file.read_bytes() != text.encode():
            problems.append(f"{file}: differs from what {results} gives")
    return Drift(problems, _marked(boards))


def _marked(boards: Sequence[Board]) -> list[str]:
    """A line for each mark of a method: the row that has it, or how many."""
    found: dict[tuple[str, str], list[str]] = {}
    for board in boards:
        for mark, row in zip(board.rows["audit"], board.evidence, strict=True):
            if pd.notna(mark):
                found.setdefault((mark, row.first.method.name), []).append(board.title)
    return [
        f"{mark}: {method}, {f'{len(titles)} rows' if len(titles) > 1 else titles[0]}"
        for (mark, method), titles in sorted(found.items())
    ]


def _baseline(path: Path) -> dict[tuple[str, ...], tuple[str, float]]:
    if not path.is_file():
        raise BadInput(f"{path}: no such file; --baseline takes an earlier scores.csv")
    return _scores(path, path.read_text())


def _scores(path: Path, text: str) -> dict[tuple[str, ...], tuple[str, float]]:
    """Label and score of every row, by what identifies it."""
    try:
        frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
        keys = zip(*(frame[key] for key in KEYS), strict=True)
        scores = pd.to_numeric(frame["score"].where(frame["score"] != ""))
        return dict(zip(keys, zip(frame["method"], scores, strict=True), strict=True))
    except (KeyError, ValueError) as error:
        raise BadInput(f"{path}: not a table of scores ({error}); `weightbench leaderboard` writes one") from None


def _moved(
    old: dict[tuple[str, ...], tuple[str, float]], new: dict[tuple[str, ...], tuple[str, float]], whose: str
) -> list[str]:
    lines = []
    for key, (method, score) in old.items():
        task, options, zoo, _, spec, _ = key
        where = f"{task}{f' ({options})' if options else ''} on {zoo}: {method} [{spec}]"
        if key not in new:
            lines.append(f"{where}: {whose} score {score:g} is gone")
        elif not (same_score(new[key][1], score) or (pd.isna(score) and pd.isna(new[key][1]))):
            lines.append(f"{where}: {whose} score {score:g} moved to {new[key][1]:g}")
    return lines
