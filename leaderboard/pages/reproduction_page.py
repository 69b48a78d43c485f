"""Every printed number beside what is measured here: how far apart, at which budget, and by which command."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from ...benchmarks.records.result import MethodPart, Result
from ..board.board import Board
from ..board.command_line import command
from ..board.printed_tables import ReportedRow, ReportedTable, published, stands_for
from ..board.rows import Row, deviation
from .board_tables import markdown_table

# The fields that a method's `recipe` speaks of, for records that have none.
TRAINING = (
    *("epochs", "batch_size", "lr", "weight_decay", "warmup_steps", "clip_norm", "schedule", "patience", "augment"),
    *("accumulate", "dropout", "head_dropout"),
)
HEADER = ["method", "printed", "ours", "difference", "seeds", "epochs", "fit, s", "settings"]


@dataclass(frozen=True)
class Pair:
    """A printed row and the row of a board that measures the same, its score in the printed table's metric."""

    printed: ReportedRow
    row: pd.Series
    results: list[Result]

    @property
    def ours(self) -> str:
        """The measured score with deviation and interval."""
        text = f"{self.row['score']:.2f}" + ("" if pd.isna(self.row["std"]) else f" ± {self.row['std']:.2f}")
        return text if pd.isna(self.row["low"]) else f"{text} ({self.row['low']:.2f} to {self.row['high']:.2f})"


def paired(table: ReportedTable, matched: list[Pair]) -> list[tuple[ReportedRow, Pair | None]]:
    """All printed rows, each beside what measures it, if anything does; of other readings those that are measured."""
    found = [(row, next((pair for pair in matched if pair.printed == row), None)) for row in table.compared]
    return [(row, pair) for row, pair in found if pair or not row.reading]


Measured = tuple[ReportedTable, list[tuple[Board, list[Pair]]]]


def pairs(table: ReportedTable, board: Board) -> list[Pair]:
    """The printed rows that the board has; where several stand for one, the one that is best proven."""
    found = []
    for printed in table.compared:
        measured = [
            Pair(printed, _in_metric(table.metric, row, evidence), evidence.results)
            for (_, row), evidence in zip(board.rows.iterrows(), board.evidence, strict=True)
            if pd.notna(row["score"]) and stands_for(evidence.first, printed)
        ]
        if measured:
            found.append(max(measured, key=lambda pair: _trust(pair, table.epochs_of(printed))))
    return found


def _in_metric(metric: str, row: pd.Series, evidence: Row) -> pd.Series:
    """The row, with its score in `metric`; those that do not rank have a deviation over seeds, but no interval."""
    if metric == evidence.first.task.metric:
        return row
    values = [every[metric] for every in evidence.scores]
    return pd.Series(row.to_dict() | {"score": np.mean(values), "std": deviation(values), "low": None, "high": None})


def measured_tables(boards: list[Board]) -> list[Measured]:
    """The printed tables of which something is measured, with the boards that measure it, and what."""
    found = []
    for table in published():
        beside = [board for board in boards if table.beside(board.task, board.zoo, dict(board.options))]
        matched = [(board, pairs(table, board)) for board in beside]
        if known := [(board, here) for board, here in matched if here]:
            found.append((table, known))
    return found


def _trust(pair: Pair, printed_epochs: int | None) -> tuple[bool, bool, int, int, str]:
    """What speaks for a row: that another machine confirmed it, then the published recipe, then how many of the
    printed epochs its learning curves show, in every seed; a number in a field proves nothing. Then more seeds."""
    shown = min(min(map(len, (result.curves or {"": []}).values()), default=0) for result in pair.results)
    has_epochs = pd.notna(pair.row["epochs"])
    published = all(result.method.recipe == "" for result in pair.results) and (shown > 0 or not has_epochs)
    shown = min(shown, printed_epochs or shown)
    replicated = pd.notna(pair.row["replicated"]) and bool(pair.row["replicated"] > 0)
    return replicated, published, shown, pair.row["seeds"], pair.row["spec"]


def reproduction(boards: list[Board]) -> str:
    """The whole page, Markdown: printed tables of which something is measured, then the others by name."""
    lines = [
        "# Reproduction",
        "",
        "What papers printed, beside what this repository measures; `weightbench leaderboard` writes this page from",
        "the evidence of the board. *Printed* is mean ± standard deviation over seeds (or the variance, where the",
        "paper gives that); *ours* is mean ± standard deviation over seeds, in brackets the board's 95 % interval.",
        "*Epochs*, where the paper says: ours of theirs. *Settings* are those that differ from the method's defaults,",
        "which are the papers' recipes, of model and training; where a record does not say which of its training",
        "differ, all of these.",
        "",
    ]
    measured = measured_tables(boards)
    for table, found in measured:
        regime = table.regime[:1].upper() + table.regime[1:]
        lines += [f"## {table.title}", "", f"{table.source}, {table.date}. {regime}.", ""]
        for board, matched in found:
            lines += _section(table, board, matched)
    unmeasured = [table for table in published() if table not in [known for known, _ in measured]]
    if unmeasured:
        lines += ["## Not measured here yet", ""]
        lines += [f"- {table.title}: {table.source}" for table in unmeasured]
        lines += [""]
    return "\n".join(lines)


def _settings(method: MethodPart) -> str:
    """What differs from the method's defaults; of a record too old to say what of its training does, all of that."""
    training = method.recipe
    if training is None:
        given = {name: method.params[name] for name in TRAINING if name in method.params}
        training = ", ".join(f"{name}={_text(value)}" for name, value in given.items())
    return ", ".join(filter(None, (method.variant, training))) or "defaults"


def _text(value: Any) -> str:
    """A setting's value, as `variant` and `recipe` have it."""
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)


def _section(table: ReportedTable, board: Board, matched: list[Pair]) -> list[str]:
    caveat = table.caveat(board.zoo, board.zoo_version, board.recipe_sha256)
    label = board.score_label if table.metric == board.metric else f"{table.metric}, which does not rank there"
    earlier = f", version {board.task_version} of the task" if board.superseded else ""
    where = f"{board.zoo}@{board.zoo_version}{earlier}, {board.n_train:,} training networks, {label}"
    rows = [
        [
            pair.printed.name,
            pair.printed.shown(table.spread),
            pair.ours,
            f"{pair.row['score'] - pair.printed.score:+.2f}" if not caveat else "-",
            str(pair.row["seeds"]),
            _epochs(table, pair),
            f"{pair.row['fit_s']:,.0f}",
            _settings(pair.results[0].method),
        ]
        for pair in matched
    ]
    lines = [f"**Measured on {where}.** {caveat}".rstrip(), "", *markdown_table(HEADER, rows), ""]
    apart = [pair for pair in matched if _apart(table, pair)]
    if caveat:  # a known reason holds for every build of the zoo
        apart = [pair for pair in apart if board.zoo == table.zoo and pair.printed.remark]
    said = [f"{pair.printed.name}: {_disagreement(table, pair)}" for pair in apart]
    said += [] if table.remark == "" else [table.remark]
    order = out_of_order(table, matched)
    said += [f"Out of the printed order: {better.printed.name} above {worse.printed.name}." for better, worse in order]
    lines += [*(f"- {line}" for line in said), *([""] if said else [])]
    lines += ["```sh", *(command(pair.results) for pair in matched), "```", ""]
    return lines


def _epochs(table: ReportedTable, pair: Pair) -> str:
    if pd.isna(pair.row["epochs"]):
        return "-"
    printed = table.epochs_of(pair.printed)
    return f"{pair.row['epochs']:.0f}" + (f" of {printed}" if printed else "")


def _apart(table: ReportedTable, pair: Pair) -> bool:
    """More than two printed standard deviations away; where none is printed, outside our interval."""
    if (deviation := pair.printed.deviation(table.spread)) is not None:
        return bool(abs(pair.row["score"] - pair.printed.score) > 2 * deviation)
    return bool(pd.notna(pair.row["low"]) and not pair.row["low"] <= pair.printed.score <= pair.row["high"])


def _disagreement(table: ReportedTable, pair: Pair) -> str:
    """Why the measured number is another than the printed one, or in which sense it is."""
    if pair.printed.remark:
        return pair.printed.remark
    if pair.printed.spread is None:
        how = "the printed number lies outside the 95 % interval"
    else:
        how = "further away than two printed standard deviations"
    printed, epochs = table.epochs_of(pair.printed), pair.row["epochs"]
    if printed is not None and pd.notna(epochs) and epochs < printed:
        return f"{how} after {epochs:.0f} of {printed} epochs, {_learning(pair.results)}."
    return f"{how}; why is not known yet."


def _learning(results: list[Result]) -> str:
    """Whether the training that ran was too short, as far as the validation data tell."""
    chosen = [result.selection["epoch"] for result in results if result.selection and "epoch" in result.selection]
    last = [(result.budget or {}).get("epochs") for result in results]
    if len(chosen) < len(results) or set(last) == {1}:
        return "what the others would change is not known yet"
    if chosen == last:
        return "best on validation data after the last of them: it was still learning"
    first, end = min(chosen), max(chosen)
    return f"best on validation data after {first}" + (f" to {end}" if end > first else "")


def out_of_order(table: ReportedTable, matched: list[Pair]) -> list[tuple[Pair, Pair]]:
    """Pairs (better, worse) of one reading as measured, intervals apart, that are printed the other way round."""
    sign = 1 if table.higher_is_better else -1
    known = [pair for pair in matched if pd.notna(pair.row["low"])]
    found = []
    for a, b in combinations(known, 2):
        if a.printed.reading != b.printed.reading:
            continue
        low, high = sorted((a, b), key=lambda pair: sign * pair.row["score"])
        edges: tuple[Any, Any] = ("high", "low") if sign > 0 else ("low", "high")
        clear = sign * low.row[edges[0]] < sign * high.row[edges[1]]
        if clear and sign * low.printed.score > sign * high.printed.score:
            found.append((high, low))
    return found
