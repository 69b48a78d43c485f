"""The score-against-cost picture of a board, as SVG text."""

from __future__ import annotations

import io

from .board import Board


def score_against_cost(board: Board) -> str:
    """Score over seconds of training, one point per row that has both; the Pareto front is a line."""
    import matplotlib
    from matplotlib.figure import Figure

    rows = board.rows.dropna(subset=["score", "fit_s"]).sort_values("fit_s")
    rows = rows.assign(fit_s=rows["fit_s"].clip(lower=1e-3))  # records round to milliseconds; a log axis has no 0
    best = rows["score"].cummax() if board.higher_is_better else rows["score"].cummin()
    front = rows[rows["score"] == best]
    # A fixed salt and no date: equal boards are equal files. Text stays text: it can be selected and searched.
    with matplotlib.rc_context({"svg.hashsalt": "weightbench", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(7, 3.6), layout="constrained")
        axes = figure.add_subplot()
        axes.step(front["fit_s"], front["score"], where="post", color="#9db4c0", linewidth=1.2, zorder=1)
        axes.scatter(rows["fit_s"], rows["score"], s=28, color="#1f6f8b", zorder=2)
        for seconds, value, method in zip(rows["fit_s"], rows["score"], rows["method"], strict=True):
            right = seconds > rows["fit_s"].min() * (rows["fit_s"].max() / rows["fit_s"].min()) ** 0.6
            axes.annotate(
                method,
                (seconds, value),
                xytext=(-6 if right else 6, 5),
                textcoords="offset points",
                ha="right" if right else "left",
            )
        axes.set_xscale("log")
        axes.margins(x=0.12, y=0.18)
        axes.set_xlabel("training, seconds")
        axes.set_ylabel(board.score_label.rpartition(",")[0])
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, linewidth=0.5)
        sink = io.StringIO()
        figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None})
    text = sink.getvalue()
    return text[text.index("<svg") :]
