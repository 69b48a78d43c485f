"""The columns of a board, each specified once: for Markdown, the terminal, CSV and the page alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..evidence.intervals import MIN_SEEDS, MIN_UNITS
from .audit_marks import NOTICEABLE, ROUNDING, SIGN, mark
from .printed_tables import reported_score
from .rows import Row, deviation, rounded
from .wording import how_many

Cells = pd.Series  # of one row of `Board.rows`
LOWEST = -100


def _plain(value: Any, cells: Cells) -> str:
    return f"{value:,.0f}" if isinstance(value, float) else str(value)


def number(value: float) -> str:
    """A score: two digits, and no digits of one that has left every scale, as R2 of a readout that exploded."""
    return f"{value:.2f}" if value >= LOWEST else f"< {LOWEST:g}"


def _score(value: float, cells: Cells) -> str:
    told = pd.notna(cells["std"]) and value >= LOWEST
    return number(value) + (f" ± {cells['std']:.2f}" if told else "")


def _interval(value: float, cells: Cells) -> str:
    alone = "" if str(cells["over"]).endswith(" seeds") else f" ({cells['over']} only)"
    return f"{number(value)} to {number(cells['high'])}{alone}"


def _dash(cells: Cells) -> str:
    return "-"


def _too_few(cells: Cells) -> str:
    """Of what there are too few for an interval, or for a group."""
    if pd.isna(cells["score"]):
        return "-"
    few_units = pd.isna(cells["low"])
    return how_many(cells["units"], cells["unit"]) if few_units else how_many(cells["seeds"], "seed")


def _ungrouped(cells: Cells) -> str:
    return "control" if cells["kind"] == "control" else _too_few(cells)


def _seconds(value: float, cells: Cells) -> str:
    return (f"{value:,.1f}" if value < 100 else f"{value:,.0f}") + _busy(cells)


def _rate(value: float, cells: Cells) -> str:
    return _plain(value, cells) + _busy(cells)


def _busy(cells: Cells) -> str:
    return "*" if pd.notna(cells["busy"]) and cells["busy"] else ""


def _short(value: float, cells: Cells) -> str:
    return f"{value:g}"


def _digits(value: float, cells: Cells) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _audited(value: float, cells: Cells) -> str:
    return "0" if value == 0 else f"{value:.1e}" if value < 0.01 else f"{value:.2f}"


def _replicated(value: float, cells: Cells) -> str:
    return f"{value:.0f} (Δ {cells['furthest']:.2g})"


def _blank(cells: Cells) -> str:
    return ""


@dataclass(frozen=True)
class Column:
    """One column.

    Arguments:
        key: its name in `Board.rows` and in the CSV file.
        about: what it means.
        value: of a row.
        title: its heading in tables and on the page; "" for what only the CSV file has.
        text: how a value that is there is shown.
        missing: what is shown where there is none.
        sparse: left out where no row has a value.
        tables: stands in Markdown and on the terminal, not on the page alone.
        opened: seen on the page without being chosen.
    """

    key: str
    about: str
    value: Callable[[Row], Any]
    title: str = ""
    text: Callable[[Any, Cells], str] = _plain
    missing: Callable[[Cells], str] = _dash
    sparse: bool = False
    tables: bool = True
    opened: bool = True

    def shown(self, cells: Cells) -> str:
        """The cell of one row as text."""
        value = cells[self.key]
        return self.missing(cells) if not isinstance(value, str) and pd.isna(value) else self.text(value, cells)

    def stands(self, rows: pd.DataFrame) -> bool:
        """Whether a table of these rows has the column."""
        return bool(self.title) and (not self.sparse or bool(rows[self.key].notna().any()))


OTHER_SCORES = Column(
    "more",
    "other scores than the one that ranks, means over seeds, recomputed as well",
    lambda row: row.other_scores,
    title="other scores",
    sparse=True,
)

COLUMNS = (
    Column(
        "method",
        "method, with the settings that differ from its defaults; rows of the same ones also name what else tells them "
        "apart, as the epochs",
        lambda row: row.first.method.label,
        title="method",
    ),
    Column(
        "score",
        "mean over seeds, recomputed from the stored predictions",
        lambda row: rounded(np.mean(row.values)) if row.values else None,
        title="score",
        text=_score,
        missing=lambda cells: "failed",
    ),
    Column("std", "standard deviation over seeds", lambda row: deviation(row.values)),
    Column(
        "low",
        "lower end of the 95 % interval over units (images, or runs) and seeds; over units alone, and marked so, with "
        f"fewer than {MIN_SEEDS} seeds; none, but how many there are, with fewer than {MIN_UNITS} units (of mAP, 100)",
        lambda row: row.low,
        title="95 % interval",
        text=_interval,
        missing=_too_few,
    ),
    Column("high", "upper end of that interval", lambda row: row.high),
    Column("over", "what the interval speaks of", lambda row: row.over),
    Column(
        "group",
        "tie group: rows that a paired test over units and seeds cannot tell from the first row of their group (all "
        "pairs together at 5 %, Holm); counted for each class of hardware apart; none where there is no interval over "
        "both, and for controls, which show what a score is without reading weights or without learning",
        lambda row: row.group,
        title="tie group",
        missing=_ungrouped,
    ),
    Column(
        "kind",
        '"control" for a method that is never ranked',
        lambda row: "control" if row.is_control else "method",
    ),
    Column(
        "late",
        "the same score on the late half of training alone, where time tells little; mean over seeds",
        lambda row: row.late,
        title="late half",
        text=lambda value, cells: number(value),
        sparse=True,
    ),
    Column("networks", "how many test networks", lambda row: row.first.zoo.n_test),
    Column("units", "how many of them are independent", lambda row: row.units.count if row.units else None),
    Column("unit", "what is independent: images, runs, ...", lambda row: row.units.name if row.units else None),
    OTHER_SCORES,
    Column(
        "reported",
        "what the paper printed for this method on this zoo, under its own regime; never ranked",
        lambda row: reported_score(row.first),
        title="reported",
        text=_short,
        sparse=True,
    ),
    Column("seeds", "how many seeds", lambda row: len(row.values), title="seeds"),
    Column(
        "trials",
        "how many settings a random search tried at the first seed; this row has the best of them on the validation "
        "split",
        lambda row: row.trials,
        title="trials",
        sparse=True,
    ),
    Column(
        "replicated",
        "how many independent machines ran cells of the row again, none with a score further from the recorded one "
        "than seeds and machines explain; in brackets the largest difference of any run; checked at submission",
        lambda row: row.confirming,
        title="replicated",
        text=_replicated,
        missing=_blank,
        sparse=True,
    ),
    Column("furthest", "the largest difference of a replication from the recorded score", lambda row: row.furthest),
    Column(
        "failed",
        "failed runs, and why",
        lambda row: "; ".join(f"seed {r.seed} {r.status}: {r.error}" for r in row.results if r.status != "ok") or None,
    ),
    Column("parameters", "trained parameters", lambda row: row.cost("parameters"), title="parameters"),
    Column(
        "fit_s",
        "seconds of training, median over seeds; self-reported; * at a load above the machine's cores",
        lambda row: row.cost("fit_s"),
        title="fit, s",
        text=_seconds,
    ),
    Column(
        "networks_per_s",
        "networks predicted per second, median over seeds; self-reported; * as there",
        lambda row: row.cost("predict_networks_per_s"),
        title="networks/s",
        text=_rate,
    ),
    Column(
        "training_gflop",
        "10^9 operations of training, counted: products of matrices, convolutions and attention, forward and backward; "
        "median over seeds; none where a method does not train a torch module; self-reported",
        lambda row: row.training_gflop,
        title="training, GFLOP",
        text=_digits,
        sparse=True,
        tables=False,
        opened=False,
    ),
    Column(
        "machine_gflop",
        "seconds of training times the machine's matrix-product rate, measured in the same run: 10^9 operations that "
        "it could have done meanwhile, which compares machines; median over seeds; self-reported",
        lambda row: row.machine_gflop,
        title="fit x rate, GFLOP",
        text=_digits,
        sparse=True,
        tables=False,
        opened=False,
    ),
    Column("busy", "whether these times were taken beside other work, where it is known", lambda row: row.busy),
    Column(
        "peak_mb",
        "peak memory, MB; self-reported",
        lambda row: row.cost("peak_memory_mb"),
        title="peak, MB",
        opened=False,
    ),
    Column(
        "epochs",
        "epochs of training",
        lambda row: (row.first.budget or {}).get("epochs"),
        title="epochs",
        opened=False,
    ),
    Column(
        "permutation",
        "symmetry audit: how far answers move when hidden neurons are permuted, which changes no network's function; "
        "in the spread of answers between networks; 0 is invariant; none where answers are constant; self-reported",
        lambda row: row.audit("permutation"),
        title="permutation",
        text=_audited,
    ),
    Column(
        "sign",
        "the same for sign flips of sine and tanh neurons",
        lambda row: row.audit("sign"),
        title="sign",
        text=_audited,
        sparse=True,
    ),
    Column(
        "scale",
        "the same for positive rescaling of ReLU neurons",
        lambda row: row.audit("scale"),
        title="scale",
        text=_audited,
        sparse=True,
    ),
    Column(
        "sensitivity",
        "how far answers move, in the median, when one hidden layer's neurons are reordered and the next layer does "
        "not follow, which changes the function; near 0 the method does not see what is connected; self-reported",
        lambda row: row.sensitivity,
        title="sensitivity",
        text=_audited,
        sparse=True,
    ),
    Column(
        "audit",
        f"{SIGN} where the audit speaks against the method: answers move by more than {NOTICEABLE:g} under a symmetry "
        f"that it declares; or they are constant; or it declares one, and its sensitivity is at most {ROUNDING:g}",
        lambda row: None if row.is_control else mark(row.results),
        title="audit",
        missing=lambda cells: "",
        sparse=True,
    ),
    Column(
        "code",
        "what sets the code that made the row apart: changed, which is in no commit, or of an earlier version of the "
        "method than other rows; self-reported",
        lambda row: row.code_mark,
        title="code",
        missing=_blank,
        sparse=True,
    ),
    Column("commit", "the commit of the clone that made the row", lambda row: row.commit),
    Column("device", "class of hardware: CPU, or the GPU's name", lambda row: row.device, title="device", opened=False),
    Column(
        "hardware",
        "device, processor and threads that the times were taken on",
        lambda row: row.hardware,
        title="hardware",
        tables=False,
        opened=False,
    ),
    Column(
        "spec",
        "identifies task, zoo, method, settings and version, as in the results folder; + the code, where that tells "
        "rows apart",
        lambda row: row.spec,
        title="spec",
        tables=False,
        opened=False,
    ),
    Column(
        "between",
        "95 % intervals of the other scores, in parentheses behind them: of those on other zoos (--also)",
        lambda row: row.other_intervals,
    ),
)
LAST = [OTHER_SCORES.key, "between"]
CSV_ORDER = [column.key for column in COLUMNS if column.key not in LAST] + LAST
ABOUT = {key: column.about for key in CSV_ORDER for column in COLUMNS if column.key == key}
