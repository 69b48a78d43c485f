"""From which zoo to which: what methods that learned on one zoo score on it and on others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from ...benchmarks.metrics.metric import ending_of
from ...benchmarks.records.zoo_identity import ZooIdentity
from ..board.board import Board
from .board_tables import with_interval


class Transfer(NamedTuple):
    """The boards of one task that were tested on the same zoos.

    Arguments:
        title: the task with its options.
        measure: the score with its unit and direction.
        zoos: the names of the zoos that were tested on.
        rows: a method, the zoo that it learned from, and the score on each of `zoos` as text, its interval behind it.
    """

    title: str
    measure: str
    zoos: list[str]
    rows: list[list[str]]


def transfers(boards: Sequence[Board]) -> list[Transfer]:
    """One for each set of zoos that several boards of a task are tested on, each board having learned from one."""
    groups: dict[tuple[str, ...], list[Board]] = {}
    for board in boards:
        if board.options.also and not board.superseded:
            own = str(ZooIdentity(board.zoo, board.zoo_version, board.recipe_sha256))
            plain = board.options.model_copy(update={"also": None})
            key = (f"{board.question}{plain}", board.score_label, *sorted([own, *board.options.others]))
            groups.setdefault(key, []).append(board)
    return [_transfer(title, measure, zoos, found) for (title, measure, *zoos), found in groups.items() if found[1:]]


def _transfer(title: str, measure: str, identities: list[str], boards: list[Board]) -> Transfer:
    zoos = [name.partition("@")[0] for name in identities]
    lines = {
        (row["method"], board.zoo): [row["method"], board.zoo, *(_score(row, board, zoo) for zoo in zoos)]
        for board in boards
        for _, row in board.rows.iterrows()
    }
    methods = list(dict.fromkeys(method for method, _ in lines))
    order = sorted(lines, key=lambda key: (methods.index(key[0]), zoos.index(key[1])))
    return Transfer(title, measure, zoos, [lines[key] for key in order])


def _score(row: pd.Series, board: Board, zoo: str) -> str:
    if zoo == board.zoo:
        return with_interval(row["score"], (row["low"], row["high"]))
    name = board.metric + ending_of(zoo)
    return with_interval((row["more"] or {}).get(name), (row["between"] or {}).get(name))
