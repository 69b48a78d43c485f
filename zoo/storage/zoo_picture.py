"""The picture on a zoo's card: a contact sheet of INRs, learning curves of snapshots, the spread of a population; for
imported networks other than INRs their weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ...runtime.drawing import ACCENT, COLOURS, INK, contact_sheet, plain, save
from .tables import read_rows
from .zoo import Zoo

COLUMNS = 16  # images across a contact sheet


def draw(zoo: Zoo, path: Path) -> None:
    """Write the picture of a zoo as PNG."""
    if zoo.manifest.rendering is not None:
        figure = _contact_sheet(zoo)
    elif zoo.manifest.imported:
        figure = _weights(zoo)
    else:
        figure = _curves(zoo) if zoo.manifest.other_splits else _spread(zoo)
    save(figure, path)


def _contact_sheet(zoo: Zoo) -> Figure:
    """What INRs render, the first of the test split in two rows; above each its source image where that is known."""
    test = zoo["test"]
    networks = test.groups[0]
    chosen = test.table[: len(networks)].drop_duplicates("item").index[: 2 * COLUMNS].to_list()
    pictures = [zoo.render(networks[chosen]).clamp(0, 1).numpy()]
    title = f"{zoo.name}: what its INRs encode"
    if "image" in zoo.manifest.columns:
        pictures.insert(0, zoo.images("test")[chosen].numpy())
        mean = test.table["psnr"].iloc[chosen].mean()
        title = f"{zoo.name}: source images, and below each its INR (mean {mean:.1f} dB)"
    sheet = contact_sheet(pictures, COLUMNS)
    rows = -(-len(chosen) // COLUMNS) * len(pictures)
    figure = Figure(figsize=(COLUMNS * 0.62, rows * 0.62 + 0.5))
    axis = figure.add_axes((0.01, 0.01, 0.98, 1 - 0.45 / (rows * 0.62 + 0.5)))
    axis.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.axis("off")
    figure.suptitle(title, fontsize=10, color=INK)
    return figure


def _weights(zoo: Zoo) -> Figure:
    """The distribution of each layer's weights, darker with depth: of a row group of the first file."""
    file = zoo.manifest.files[0]
    arch = zoo.manifest.architectures[file.architecture]
    _, params = next(read_rows(zoo.folder, file))
    weights = [tensor for tensor in arch.tensors if tensor.kind == "weight"]
    reach = float(np.quantile(np.abs(params), 0.99)) or 1.0
    edges = np.linspace(-reach, reach, 101)
    figure = Figure(figsize=(7, 3.2))
    axis = figure.add_axes((0.1, 0.17, 0.87, 0.71))
    for depth, tensor in enumerate(weights, 1):
        density, _ = np.histogram(params[:, tensor.start : tensor.stop], edges, density=True)
        label = f"{tensor.name} {list(tensor.shape)}" if len(weights) <= 8 else None
        axis.stairs(density, edges, color=ACCENT, alpha=0.25 + 0.75 * depth / len(weights), label=label)
    if len(weights) <= 8:
        axis.legend(frameon=False, fontsize=8)
    plain(axis, "weight", "density", "")
    figure.suptitle(f"{zoo.name}: weights of {len(params):,} networks, {file.architecture}", fontsize=10, color=INK)
    return figure


def _score(zoo: Zoo) -> tuple[str, str]:
    return ("test_r2", "test R²") if "test_r2" in zoo.manifest.columns else ("test_accuracy", "test accuracy")


def _curves(zoo: Zoo) -> Figure:
    """Test score over epochs, one line per run."""
    import pandas as pd

    column, label = _score(zoo)
    table = pd.concat([split.table for split in zoo.splits.values()])
    variants = sorted(table["variant"].unique())
    figure = Figure(figsize=(4.2 * max(len(variants), 1.6), 3.2), layout="constrained")
    for axis, variant in zip(figure.subplots(1, len(variants), squeeze=False, sharey=True)[0], variants, strict=True):
        mine = table[table["variant"] == variant]
        rates = sorted(mine["lr"].unique())
        for (_, lr), run in mine.sort_values("epoch").groupby(["run", "lr"]):
            shade = (rates.index(lr) + 1) / len(rates)
            axis.plot(run["epoch"], run[column], color=ACCENT, alpha=0.25 + 0.6 * shade, linewidth=1)
        plain(axis, "epoch", label if variant == variants[0] else "", variant if len(variants) > 1 else "")
        if column == "test_r2":
            axis.set_ylim(-0.2, 1)
    figure.suptitle(f"{zoo.name}: {table['run'].nunique()} runs, darker with the learning rate", fontsize=10, color=INK)
    return figure


def _spread(zoo: Zoo) -> Figure:
    """Histograms of the final networks' test score, and of it against the learning rate."""
    import pandas as pd

    column, label = _score(zoo)
    table = pd.concat([split.table for split in zoo.splits.values()])
    final = table[table["epoch"] == table["epoch"].max()]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.hist(final[column], bins=np.linspace(0, 1, 41).tolist(), color=ACCENT)
    plain(left, label, "networks", "")
    names = sorted(final["optimizer"].unique())
    for name, colour in zip(names, COLOURS, strict=False):
        mine = final[final["optimizer"] == name]
        right.scatter(mine["lr"], mine[column], s=4, alpha=0.6, color=colour, label=name, linewidths=0)
    right.set_xscale("log")
    right.legend(frameon=False, fontsize=8, markerscale=3)
    plain(right, "learning rate", label, "")
    figure.suptitle(f"{zoo.name}: {final['run'].nunique():,} runs after the last epoch", fontsize=10, color=INK)
    return figure
