"""The kinds of pictures: learning curves, predicted against true, embeddings, edited INRs, losses between networks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import spearmanr
from sklearn.decomposition import PCA
from sklearn.metrics import confusion_matrix
from sklearn.preprocessing import StandardScaler

from ...benchmarks.metrics.dilation import dequantise, dilated
from ...benchmarks.metrics.metric import ending_of
from ...benchmarks.metrics.scoring import metric_for
from ...benchmarks.records.result import shown_unit
from ...benchmarks.records.truth import Truth, column_values
from ...runtime.drawing import COLOURS, INK, contact_sheet, plain
from ...zoo.recipes.catalogue import builds
from ...zoo.storage.manifest import read_manifest
from .shown_result import ShownResult

COLUMNS = 3  # panels side by side
IMAGES = 16  # of a contact sheet
PAIRS = 4000  # of networks, in the picture of distances
SCORES = ("test_accuracy", "test_r2", "psnr")


def _title(figure: Figure, shown: list[ShownResult]) -> None:
    task, zoo = shown[0].result.task, shown[0].result.zoo
    figure.suptitle(f"{task.title} on {zoo.name}@{zoo.version}", fontsize=10, color=INK)


def _panels(count: int, width: float = 3.4, height: float = 3.3) -> tuple[Figure, list[Axes]]:
    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns + 0.3, height * rows + 0.3), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis in axes[count:]:
        axis.axis("off")
    return figure, axes[:count]


def _score(one: ShownResult, ending: str = "") -> str:
    task = one.result.task
    return f"{task.metric} {one.scores[task.metric + ending]:.2f} {shown_unit(task.unit)}".strip()


def curves(shown: list[ShownResult]) -> Figure | None:
    """Loss on the training networks and score on the validation networks, epoch by epoch; a dot where it was chosen."""
    shown = [one for one in shown if one.result.curves]
    if not shown:
        return None
    task = shown[0].result.task
    figure, axes = _panels(2, width=4.6, height=3.4)
    names = {
        "train_loss": "training loss",
        "val_score": f"{task.metric} on val, {shown_unit(task.unit)}".rstrip(", "),
    }
    for axis, (name, text) in zip(axes, names.items(), strict=True):
        for number, one in enumerate(shown):
            values = (one.result.curves or {}).get(name, [])
            epochs = range(1, len(values) + 1)
            colour = COLOURS[number % len(COLOURS)]
            style = ("-", "--", ":")[number // len(COLOURS) % 3]
            axis.plot(epochs, values, style, color=colour, linewidth=1.4, label=one.label)
            chosen = (one.result.selection or {}).get("epoch")
            if chosen and chosen <= len(values):
                axis.plot(chosen, values[chosen - 1], "o", color=colour, markersize=4)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        plain(axis, "epoch", text, "")
    if all(value > 0 for one in shown for value in (one.result.curves or {}).get("train_loss", [])):
        axes[0].set_yscale("log")
        axes[0].tick_params(which="both", labelsize=8, colors=INK)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=7)
    _title(figure, shown)
    return figure


def predicted(shown: list[ShownResult]) -> Figure | None:
    """Predicted against true values of the test networks, coloured by run; for classes the confusion matrix."""
    shown = [one for one in shown if one.arrays.keys() & {"values", "logits"}]
    if not shown:
        return None
    figure, axes = _panels(len(shown))
    for axis, one in zip(axes, shown, strict=True):
        (_values if "values" in one.arrays else _confusion)(axis, one)
    _title(figure, shown)
    return figure


def _values(axis: Axes, one: ShownResult) -> None:
    target = one.result.task.options.target or ""
    true = column_values(one.table, target).to_numpy(float)
    found = one.arrays["values"][:, 0]
    runs = one.table["run"].to_numpy() if "run" in one.table else np.zeros(len(true))
    several = np.unique(runs)
    for number, run in enumerate(several if len(several) <= len(COLOURS) else [None]):
        rows = runs == run if run is not None else slice(None)
        axis.scatter(true[rows], found[rows], s=5, alpha=0.5, color=COLOURS[number], linewidths=0)
    low, high = true.min(), true.max()
    room = 0.1 * (high - low)
    axis.axline((low, low), slope=1, color=INK, linewidth=0.8, alpha=0.6)
    axis.set_xlim(low - room, high + room)
    axis.set_ylim(low - 3 * room, high + 3 * room)  # what lies outside is far off: its place does not matter
    plain(axis, f"true {target}", "predicted", f"{one.label}\n{_score(one)}")


def _confusion(axis: Axes, one: ShownResult) -> None:
    target = one.result.task.options.target or "label"
    classes = one.truth.classes[target]
    true = column_values(one.table, target)
    found = np.asarray(classes)[one.arrays["logits"].argmax(1)]
    shares = confusion_matrix(true, found, labels=classes, normalize="true")
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    plain(axis, f"predicted {target}", "true", f"{one.label}\n{_score(one)}")
    axis.grid(False)
    axis.set_xticks(range(len(classes)), map(str, classes), rotation=90 if max(map(len, map(str, classes))) > 2 else 0)
    axis.set_yticks(range(len(classes)), map(str, classes))


def _standardised(one: ShownResult) -> np.ndarray:
    """Embeddings `[N, d]`, standardised by the training networks, or, in earlier results, by themselves."""
    if "standardised" in one.arrays:
        return one.arrays["standardised"]
    found: np.ndarray = StandardScaler().fit_transform(one.arrays["embeddings"].astype(float))
    return found


def embedding(shown: list[ShownResult]) -> Figure | None:
    """StructureReps' three pictures (2025): the test networks' embeddings by kind, by score, and for pairs of networks
    their distance against their difference in score."""
    shown = [one for one in shown if {"standardised", "embeddings"} & set(one.arrays)]
    if not shown:
        return None
    score = next((name for name in SCORES if name in shown[0].table), None)
    figure = Figure(figsize=(4 * (3 if score else 1), 3.4 * len(shown) + 0.3), layout="constrained")
    for axes, one in zip(figure.subplots(len(shown), 3 if score else 1, squeeze=False), shown, strict=True):
        scaled = _standardised(one)
        places, explained = _plane(scaled)
        target = one.result.task.options.target or ""
        kinds = column_values(one.table, target).to_numpy()
        for number, kind in enumerate(one.truth.classes[target]):
            rows = kinds == kind
            colour = COLOURS[number % len(COLOURS)]
            axes[0].scatter(*places[rows].T, s=6, alpha=0.6, color=colour, label=str(kind), linewidths=0)
        axes[0].legend(frameon=False, fontsize=7, markerscale=2, title=target, title_fontsize=7)
        x, y = (f"component {i + 1} ({100 * share:.0f} %)" for i, share in enumerate(explained))
        plain(axes[0], x, y, f"{one.label}\n{_score(one)}")
        if score:
            values = one.table[score].to_numpy(float)
            least = np.quantile(values, 0.05)  # or a few untrained networks would take most of the colours
            drawn = axes[1].scatter(*places.T, s=6, c=values, cmap="viridis", vmin=least, linewidths=0)
            bar = figure.colorbar(drawn, ax=axes[1], extend="min")
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize=8, colors=INK)
            plain(axes[1], x, y, f"by {score}")
            _distances(axes[2], scaled, values, score)
    _title(figure, shown)
    return figure


def _plane(scaled: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """The first two principal components `[N, 2]` and the shares of variance that they explain."""
    model = PCA(min(2, *scaled.shape), svd_solver="full").fit(scaled)
    missing = 2 - model.n_components_
    places = np.pad(model.transform(scaled), ((0, 0), (0, missing)))
    return places, [*model.explained_variance_ratio_.tolist(), *[0.0] * missing]


def _distances(axis: Axes, scaled: np.ndarray, values: np.ndarray, score: str) -> None:
    """Pairs of networks drawn at random, and the median of every tenth of them."""
    a, b = np.random.RandomState(0).randint(0, len(scaled), size=(2, PAIRS))
    far, apart = np.linalg.norm(scaled[a] - scaled[b], axis=1)[a != b], np.abs(values[a] - values[b])[a != b]
    reach, most = np.quantile(far, 0.995), max(np.quantile(apart, 0.99), 1e-9)
    axis.hexbin(far, apart, gridsize=36, cmap="Blues", bins="log", extent=(0, reach, 0, most), linewidths=0)
    edges = np.quantile(far, np.linspace(0, 1, 11))
    tenth = np.clip(np.searchsorted(edges, far, side="right") - 1, 0, 9)
    used = np.unique(tenth)
    medians = [[np.median(part[tenth == number]) for number in used] for part in (far, apart)]
    axis.plot(*medians, "o-", color=COLOURS[1], linewidth=1.2, markersize=3, label="median")
    axis.legend(frameon=False, fontsize=7)
    rank = spearmanr(far, apart).statistic
    plain(
        axis, "distance of two embeddings", f"difference in {score}", f"{len(far):,} pairs, rank correlation {rank:.2f}"
    )
    axis.set_xlim(0, reach)
    axis.set_ylim(0, most)


def edited(shown: list[ShownResult]) -> Figure | None:
    """INRs before editing (their source image, where the zoo is not on this machine), after it, and the target."""
    shown = [one for one in shown if "pixels" in one.arrays]
    if not shown:
        return None
    rows = _edits(shown, "", shown[0].truth)
    for other, truth in zip(shown[0].result.task.options.others, shown[0].truth.also, strict=True):
        rows += _edits(shown, ending_of(other), truth)
    width, height = 0.62 * IMAGES + 2.8, 0.66 * len(rows) + 0.4
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    figure.subplots_adjust(left=2.7 / width, right=1 - 0.1 / width, bottom=0.02, top=1 - 0.36 / height, hspace=0.06)
    for axis, (label, pictures) in zip(axes, rows, strict=True):
        sheet = contact_sheet([pictures.clip(0, 1)], IMAGES)
        axis.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.axis("off")
        axis.text(-0.01, 0.5, label, transform=axis.transAxes, ha="right", va="center", fontsize=8, color=INK)
    _title(figure, shown)
    return figure


def _edits(shown: list[ShownResult], ending: str, truth: Truth) -> list[tuple[str, np.ndarray]]:
    """The rows of a contact sheet with their labels; `ending` names a zoo that is tested on too, or nothing."""
    assert truth.images is not None
    items = truth.table["item"] if "item" in truth.table else truth.table.index.to_series()
    kept = len(shown[0].arrays["pixels" + ending])
    networks = metric_for(shown[0].result.task).asks_about(truth)[:kept]
    chosen = np.flatnonzero(~items.iloc[networks].duplicated().to_numpy())[:IMAGES]
    images = truth.images[networks[chosen]]
    before = None if ending else _rendered(shown[0], networks[chosen])
    rows = [("source image", images) if before is None else ("before", before)]
    for one in shown:
        after = dequantise(one.arrays["pixels" + ending][chosen]).reshape(images.shape)
        rows.append((f"{one.label}\n{_score(one, ending)}", after))
    return [*rows, ("target", dilated(images))]


def _rendered(one: ShownResult, rows: np.ndarray) -> np.ndarray | None:
    """What the zoo's own INRs render, `[n, *image_shape]`; None where exactly this zoo is not on this machine."""
    about = one.result.zoo
    for folder in builds(about.name, about.version):
        if read_manifest(folder)[1] == about.manifest_sha256:
            from ...zoo.storage.zoo import open_zoo

            zoo = open_zoo(folder)
            pictures: np.ndarray = zoo.render(zoo["test"].networks[rows.tolist()]).numpy()
            return pictures
    return None


def line(shown: list[ShownResult]) -> Figure | None:
    """The loss along the line between two networks, averaged over pairs."""
    shown = [one for one in shown if "line_loss" in one.arrays]
    if not shown:
        return None
    figure, (axis,) = _panels(1, width=6, height=3.6)
    for number, one in enumerate(shown):
        losses = one.arrays["line_loss"].mean(0)
        text = f"{one.label.replace(chr(10), ' ')}: {_score(one)}"
        axis.plot(np.linspace(0, 1, len(losses)), losses, "o-", color=COLOURS[number % 10], markersize=3, label=text)
    pairs = len(shown[0].arrays["line_loss"])
    plain(axis, "from network A to the aligned network B", f"test loss, mean of {pairs} pairs", "")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=7)
    _title(figure, shown)
    return figure


FIGURES: dict[str, Callable[[list[ShownResult]], Figure | None]] = {
    "curves": curves,
    "predicted": predicted,
    "embedding": embedding,
    "edited": edited,
    "line": line,
}
