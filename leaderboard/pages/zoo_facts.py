"""What the page tells of a zoo: from the catalogue, the boards, and the truth stored with the results.

No zoo need be on the machine.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from ...benchmarks.records.truth import Truth
from ...zoo.recipes.catalogue import catalogue_entry, zoo_names
from ...zoo.recipes.inr_recipe import INRRecipe
from ...zoo.recipes.run_recipe import DrawnHyperparameter, RunRecipe
from ...zoo.recipes.zoo_entry import ZooEntry
from ...zoo.storage.manifest import LOCAL
from ..board.board import Board

SCORES = ("test_r2", "test_accuracy", "psnr")  # the first that a zoo has is drawn
LOWEST_R2 = -0.2  # below it, curves are drawn at it
PLACES = ("id", "item", "copy", "run", "within_run")  # columns that count or split, and tell nothing of a network
IMAGE_BYTES = 16_384  # at most, of a picture
LINES, POINTS, BINS = 8, 40, 24


def zoo_facts(boards: Iterable[Board]) -> list[dict[str, Any]]:
    """Each zoo once, with its builds: versions and recipes that have boards of their own."""
    found: dict[str, dict[tuple[str, str], list[Board]]] = {}
    for board in boards:
        builds = found.setdefault(board.zoo, {})
        builds.setdefault((board.zoo_version, board.recipe_sha256), []).append(board)
    return [
        {
            "name": name,
            "about": _entry(name).description if name in zoo_names() else "",
            "known": name in zoo_names(),
            "builds": [_build(every) for _, every in sorted(builds.items())],
        }
        for name, builds in sorted(found.items())
    ]


def _entry(name: str) -> ZooEntry:
    return catalogue_entry(name)


def _build(boards: list[Board]) -> dict[str, Any]:
    board, truth = boards[0], _truth(boards)
    entry = _entry(board.zoo) if board.zoo in zoo_names() else None
    whole = entry is not None and entry.recipe_sha256 == board.recipe_sha256
    facts = [*_networks(boards), *(_made(entry) if entry else [])]
    if not entry and truth:
        names = [f"{name} ({'-'.join(map(str, groups))} hidden neurons)" for name, groups in truth.neurons.items()]
        facts.append(("architectures", "; ".join(names)))
    return {
        "version": board.zoo_version,
        "recipe": board.recipe_sha256,
        "note": "" if whole else _other(entry, board),
        "facts": [*facts, ("recipe", board.recipe_sha256[:16])],
        "columns": _columns(truth) if truth else [],
        "picture": _picture(truth) if truth else None,
    }


def _truth(boards: list[Board]) -> Truth | None:
    """The truth about the test split; that of whole runs before that within runs."""
    for board in sorted(boards, key=lambda board: board.leaks):
        for row in board.evidence:
            for record in row.succeeded:
                return Truth(record.folder.truth_paths(record.result.spec)[0])
    return None


def _other(entry: ZooEntry | None, board: Board) -> str:
    """What kind of build it is, where it is not the catalogue's whole zoo."""
    if entry is None:
        return "Not in the catalogue: an imported zoo, or one of somebody's own recipe."
    if board.zoo_version.endswith(LOCAL):
        return "Built from raw data that the catalogue has no checksum of."
    return "A part of the zoo, or another seed."


def _networks(boards: list[Board]) -> list[tuple[str, str]]:
    """How many there are in each split, by the way of splitting."""
    zoos = {board.options.split or "": board.results[0][0].zoo for board in boards if board.results}
    return [
        (
            f"networks, {split}" if split else "networks",
            f"{zoo.n_train:,} training, {zoo.n_val:,} validation, {zoo.n_test:,} test",
        )
        for split, zoo in sorted(zoos.items())
    ]


def _made(entry: ZooEntry) -> list[tuple[str, str]]:
    """How the catalogue's recipe makes them."""
    recipe = entry.recipe
    architectures = "; ".join(
        (f"{name}: " if len(recipe.architectures) > 1 else "") + f"{arch}, {arch.num_params:,} parameters"
        for name, arch in recipe.architectures.items()
    )
    if isinstance(recipe, INRRecipe):
        kind = "networks that each fit one image"
        how = [("training", f"Adam, {recipe.steps:,} steps on all pixels, learning rate {recipe.lr:g}")]
    else:
        kept = "every epoch" if recipe.checkpoints is None else f"epoch {', '.join(map(str, recipe.kept_epochs))}"
        kind = f"{kept} of {sum(entry.splits.values()):,} training runs"
        how = [
            ("training", f"{recipe.loss}, {recipe.epochs} epochs, batches of {recipe.batch_size}"),
            *_hyperparameters(recipe),
        ]
    size = [f"{entry.megabytes:,} MB"] if entry.megabytes else []
    size += [f"built in {minutes:g} minutes on two cores" for minutes in [entry.build_minutes.get("cpu")] if minutes]
    return [
        ("holds", kind),
        ("raw data", ", ".join(entry.sources)),
        ("architectures" if len(recipe.architectures) > 1 else "architecture", architectures),
        *how,
        *([("size", ", ".join(size))] if size else []),
    ]


def _hyperparameters(recipe: RunRecipe) -> list[tuple[str, str]]:
    """Those that the recipe sets."""
    chosen = recipe.hyperparameters
    return [(name.replace("_", " "), _text(value)) for name, value in chosen if name in chosen.model_fields_set]


def _text(setting: Any) -> str:
    if isinstance(setting, DrawnHyperparameter):
        if reach := setting.uniform or setting.log_uniform:
            evenly = ", evenly in the logarithm" if setting.log_uniform else ""
            return f"drawn from {reach[0]:g} to {reach[1]:g}{evenly}"
        return f"drawn from {_text(setting.choice)}"
    if isinstance(setting, tuple):
        return ", ".join(map(_text, setting))
    return setting if isinstance(setting, str) else f"{setting:g}"


def _columns(truth: Truth) -> list[list[str]]:
    """Name, smallest, median and largest value of each column of numbers that differ; of others the classes."""
    found = []
    for name in (str(name) for name in truth.table if name not in PLACES):
        values = truth.table[name].dropna()
        if values.nunique() < 2:
            continue
        if name not in truth.classes and pd.api.types.is_numeric_dtype(values):
            found.append([name, *(f"{value:.4g}" for value in (values.min(), values.median(), values.max()))])
        else:
            kinds = sorted(map(str, values.unique()))
            found.append([name, ", ".join(kinds) if len(kinds) <= 12 else f"{len(kinds):,} different"])
    return found


def _picture(truth: Truth) -> dict[str, Any] | None:
    """Source images; else the score over the epochs of some test runs; else how the scores are spread."""
    if truth.images is not None:
        return _images(truth.images, truth.table)
    score = next((name for name in SCORES if name in truth.table), None)
    if score is None:
        return None
    values = truth.table[score].clip(lower=LOWEST_R2) if score == "test_r2" else truth.table[score]
    table = truth.table.assign(score=values).dropna(subset=["score"])
    if "epoch" in table and table.groupby("run")["epoch"].nunique().median() > BINS:
        return _curves(table, score)
    return _spread(table, score)


def _images(images: np.ndarray, table: pd.DataFrame) -> dict[str, Any]:
    """The first of each class, or simply the first, as bytes."""
    labels = table["label"].to_numpy() if "label" in table else np.arange(len(table))
    _, first = np.unique(labels, return_index=True)
    chosen = first[: max(1, min(10, IMAGE_BYTES // images[0].size))]
    pixels = np.rint(255 * images[chosen]).astype(np.uint8)
    return {
        "kind": "images",
        "labels": [str(label) for label in labels[chosen]] if "label" in table else [],
        "shape": list(images.shape[1:]),
        "pixels": base64.b64encode(pixels.tobytes()).decode(),
    }


def _curves(table: pd.DataFrame, score: str) -> dict[str, Any]:
    """Points of some runs: run, epoch, score."""
    points = []
    for run in sorted(table["run"].unique())[:LINES]:
        mine = table[table["run"] == run].sort_values("epoch")
        kept = np.unique(np.linspace(0, len(mine) - 1, POINTS).round().astype(int))
        drawn = mine.iloc[kept][["epoch", "score"]].to_numpy()
        points += [[str(run), int(epoch), float(f"{value:.3g}")] for epoch, value in drawn]
    return {"kind": "curves", "score": score, "points": points}


def _spread(table: pd.DataFrame, score: str) -> dict[str, Any]:
    """A histogram of the last networks: of each run the one of its last epoch."""
    last = table[table["epoch"] == table["epoch"].max()] if "epoch" in table else table
    counts, edges = np.histogram(last["score"], BINS)
    return {
        "kind": "spread",
        "score": score,
        "counts": counts.tolist(),
        "edges": [float(f"{edge:.4g}") for edge in edges],
    }
