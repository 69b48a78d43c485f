"""Average ranks over several boards: of rows that stand on all of them, within one class of hardware."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..evidence.intervals import Ranked, average_ranks
from .board import Board


@dataclass(frozen=True)
class Ranking:
    """Average ranks over `boards`; rows that are not on each of them are `left_out`, never filled in."""

    title: str
    device: str
    boards: list[str]
    rows: list[tuple[str, float, float, float]]
    left_out: list[str]


def rankings(boards: Sequence[Board]) -> list[Ranking]:
    """One ranking for each task with several boards, and one for all boards, where two rows at least are complete."""
    tasks = sorted({board.task for board in boards})
    groups: list[tuple[str, Sequence[Board]]] = [
        (f"{task}, all zoos", [b for b in boards if b.task == task]) for task in tasks
    ]
    if len(tasks) > 1:
        groups.append(("all tasks and zoos", boards))
    found = []
    for title, members in groups:
        for device in sorted({str(device) for board in members for device in board.rows["device"]}):
            parts = [_part(board, device) for board in members]
            rows = average_ranks(parts) if len(parts) > 1 else []
            if len(rows) > 1:
                named = {label for label, *_ in rows}
                others = sorted({label for part in parts for label in part.labels} - named)
                found.append(Ranking(title, device, [board.title for board in members], rows, others))
    return found


def _part(board: Board, device: str) -> Ranked:
    """The board's rows on one class of hardware, one for each method and settings.

    Where a method has several rows (other budgets, say), the best on the validation split counts.
    """
    chosen: dict[str, tuple[float, int]] = {}
    scored = np.flatnonzero(board.rows["score"].notna())
    for place, row in enumerate(scored):
        first = board.results[row][0]
        if board.rows["device"][row] != device:
            continue
        label = first.method.label
        known = board.evidence[row].val_score
        quality = -np.inf if known is None else known * (1 if board.higher_is_better else -1)
        if label not in chosen or quality > chosen[label][0]:
            chosen[label] = (quality, place)
    places = [place for _, place in chosen.values()]
    scores = board.rows["score"].to_numpy(float)[scored[places]] if places else np.zeros(0)
    return Ranked(list(chosen), scores, board.replicates[:, places], board.higher_is_better)
