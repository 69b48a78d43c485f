"""Average ranks over several boards: of rows that stand on all of them, within one class of hardware.

Boards of one zoo under other targets and splits are of the same networks: they are averaged first, so that a zoo counts
once for each task. There are no intervals: a handful of zoos says too little about others (Demsar 2006 asks for ten).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .board import Board


@dataclass(frozen=True)
class Ranking:
    """Average ranks over `boards`, the best first; rows that are not on each of them are `left_out`, never filled in.

    `zoos` counts each zoo once for each task.
    """

    title: str
    device: str
    boards: list[str]
    zoos: int
    rows: list[tuple[str, float]]
    left_out: list[str]


def rankings(boards: Sequence[Board]) -> list[Ranking]:
    """One ranking for each task with several boards, and one for all boards, where two rows at least are complete."""
    boards = [board for board in boards if not board.superseded]
    tasks = sorted({board.question for board in boards})
    groups: list[tuple[str, Sequence[Board]]] = [
        (f"{task}, all zoos", [b for b in boards if b.question == task]) for task in tasks
    ]
    if len(tasks) > 1:
        groups.append(("all tasks and zoos", boards))
    found = []
    for title, members in groups:
        for device in sorted({str(device) for board in members for device in board.rows["device"]}):
            scores = [_scores(board, device) for board in members]
            zoos = [(board.question, board.zoo) for board in members]
            rows = average_ranks(scores, zoos) if len(members) > 1 else []
            if len(rows) > 1:
                named = {label for label, _ in rows}
                others = sorted({label for one in scores for label in one} - named)
                found.append(Ranking(title, device, [b.title for b in members], len(set(zoos)), rows, others))
    return found


def average_ranks(boards: Sequence[dict[str, float]], zoos: Sequence[object]) -> list[tuple[str, float]]:
    """Average ranks of the labels that every board has, ranked among themselves, the best first.

    Arguments:
        boards: the score of each label, higher is better.
        zoos: of each board; the ranks on one zoo are averaged before they count.
    """
    ranks = pd.DataFrame(boards).dropna(axis=1).rank(axis=1, ascending=False)
    each = ranks.groupby([str(zoo) for zoo in zoos]).mean().mean()
    return sorted(((str(label), float(rank)) for label, rank in each.items()), key=lambda row: (row[1], row[0]))


def _scores(board: Board, device: str) -> dict[str, float]:
    """The board's scores on one class of hardware, higher is better, one for each method and settings; no controls.

    Where a method has several rows (other budgets, say), the best on the validation split counts.
    """
    rows: dict[str, list[int]] = {}
    for row in np.flatnonzero(board.rows["score"].notna() & (board.rows["device"] == device)).tolist():
        if not board.evidence[row].is_control:
            rows.setdefault(board.results[row][0].method.label, []).append(row)
    sign = 1 if board.higher_is_better else -1
    return {label: sign * float(board.rows["score"][board.best_on_validation(of)]) for label, of in rows.items()}
