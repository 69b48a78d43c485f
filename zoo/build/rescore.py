"""Deriving a zoo's stored figures (PSNR, losses, accuracies) anew from its weights and the source data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import TypeAdapter, ValidationError

from ...runtime.errors import BadInput
from ..networks.networks import Networks
from ..recipes.raw_data import load_source, raw_data_dir
from ..recipes.recipe import INRRecipe, Recipe
from ..storage.zoo import Zoo
from ..training.builder import Builder
from ..training.inr_builder import INRBuilder
from ..training.run_builder import RunBuilder

RTOL, ATOL = 1e-3, 2e-3  # an input on the border between two classes may fall to either side


def rescore(zoo: Zoo, *, rows: int = 64, source_dir: Path | None = None) -> dict[str, float]:
    """The largest difference between stored and new figures, over about `rows` networks of all architectures.

    Raises BadInput for figures that differ by more than rounding, and for source data of another checksum.
    """
    builder = builder_of(zoo, source_dir)
    groups = [
        (group, table)
        for split in zoo.splits.values()
        for group, (_, table) in zip(split.groups, split.table.groupby("architecture", sort=False), strict=True)
    ]
    found: list[pd.DataFrame] = []
    stored: list[pd.DataFrame] = []
    for group, table in groups:
        take = np.unique(np.linspace(0, len(group) - 1, -(-rows // len(groups))).round().astype(int))
        chosen = Networks(group.arch, group.params[torch.from_numpy(take)])
        stored.append(table.iloc[take])
        found.append(builder.rescore(chosen, stored[-1]))
    new, old = pd.concat(found, ignore_index=True), pd.concat(stored, ignore_index=True)
    for name in new:
        wrong = ~np.isclose(new[name].to_numpy(float), old[name].to_numpy(float), rtol=RTOL, atol=ATOL)
        if wrong.any():
            row = int(wrong.argmax())
            raise BadInput(
                f"{zoo.folder}: network {old['id'][row]}: {name} is stored as {old[name][row]}, its weights give "
                f"{new[name][row]}: build or download the zoo again"
            )
    return {str(name): float(np.abs(new[name].to_numpy(float) - old[name].to_numpy(float)).max()) for name in new}


def builder_of(zoo: Zoo, source_dir: Path | None = None) -> Builder[Any]:
    """What a zoo was built with: its recipe and source data. Raises BadInput where those are not to be had."""
    if zoo.manifest.imported:
        raise BadInput(f"{zoo.folder}: was imported, without the data that its figures come from")
    content = {key: value for key, value in zoo.manifest.recipe.items() if key not in ("splits", "sources")}
    try:
        recipe = TypeAdapter(Recipe).validate_python(content)
    except ValidationError:
        raise BadInput(f"{zoo.folder}: its recipe is of another version of WeightBench, which can derive it") from None
    sources = {info.name: load_source(info.name, raw_data_dir(source_dir)) for info in zoo.manifest.sources}
    for info in zoo.manifest.sources:
        if sources[info.name].sha256 != info.sha256:
            raise BadInput(
                f"{zoo.folder}: was made from other {info.name} data (checksum {info.sha256}): "
                "give them with --source-dir or WEIGHTBENCH_SOURCE_DIR"
            )
    if isinstance(recipe, INRRecipe):
        (source,) = sources.values()
        return INRBuilder(recipe, source, {}, 1, "cpu", "eager")
    return RunBuilder(recipe, sources, {}, None, 1, "cpu", "eager")
