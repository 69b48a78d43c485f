"""How the project's pictures look: colours, axes, contact sheets, files. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, ACCENT = "#1f2933", "#8896a5", "#2f6fb0"
COLOURS = (ACCENT, "#d1812b", "#4d9a6a", "#a05bb5", "#c9475d", "#7d6b4f", "#3aa6a6", "#8896a5", "#b8a12a", "#1f2933")


def plain(axis: Axes, x: str, y: str, title: str) -> None:
    """Labels, and no more lines than needed."""
    axis.set_xlabel(x, fontsize=9, color=INK)
    axis.set_ylabel(y, fontsize=9, color=INK)
    axis.set_title(title, fontsize=9, color=INK)
    axis.tick_params(labelsize=8, colors=INK)
    axis.grid(alpha=0.25, linewidth=0.5)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color(MUTED)


def contact_sheet(series: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Series of images `[n, height, width(, 3)]` as one: those with one number stand below each other."""
    height, width, *colours = series[0].shape[1:]
    gap = max(1, height // 12)
    count = len(series[0])
    rows = -(-count // columns) * len(series)
    sheet = np.ones((rows * (height + gap), columns * (width + gap), *colours))
    for number in range(count):
        for below, images in enumerate(series):
            top = (len(series) * (number // columns) + below) * (height + gap)
            left = number % columns * (width + gap)
            sheet[top : top + height, left : left + width] = images[number]
    return sheet


def save(figure: Figure, path: Path) -> None:
    """Write PNG or SVG, by the name's ending; equal figures give equal files."""
    nothing = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, dpi=110, metadata=nothing, facecolor="white")
