"""Deriving a zoo's stored scores (PSNR, losses, accuracies) anew from its weights and the source data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ...runtime.errors import BadInput
from ..networks.networks import Networks
from ..storage.zoo import Zoo
from .provenance import evaluator_of

RTOL, ATOL = 1e-3, 2e-3  # an input on the border between two classes may fall to either side


def rescore(zoo: Zoo, *, rows: int = 64, source_dir: Path | None = None) -> dict[str, float]:
    """The largest difference between stored and new scores, over about `rows` networks of all architectures.

    Raises BadInput for scores that differ by more than rounding, and for source data of another checksum.
    """
    evaluator = evaluator_of(zoo, source_dir)
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
        found.append(evaluator.rescore(chosen, stored[-1]))
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
