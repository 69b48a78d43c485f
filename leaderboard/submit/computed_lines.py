"""Losses and scores between two trained networks, computed again from the submitted permutations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...benchmarks.metrics.alignment import LINE
from ...benchmarks.records.predictions import Arrays
from ...benchmarks.records.results_folder import Record
from ...runtime.errors import BadInput

if TYPE_CHECKING:
    from ...zoo.storage.zoo import Zoo


def check_lines(record: Record, ids: list[str], arrays: Arrays, zoo: Zoo | None) -> None:
    """Raises BadInput for losses and scores that the permutations do not give, and where the zoo or its data are not
    here."""
    import torch

    from ...benchmarks.task.registry import task_class

    if not any(name.startswith(LINE) for name in arrays):
        return
    if zoo is None:
        raise BadInput(f"{record.path}: the losses between networks are computed anew: say --zoo with the zoo's folder")
    task = task_class(record.result.task.name)(zoo, record.result.task.options)
    task.ready()
    test = task.splits["test"]
    rows = [ids.index(name) for name in task.ids(test)]
    found = task.evidence(torch.from_numpy(arrays["permutations"][rows].astype(np.int64)), test)
    for name in (name for name in found if name.startswith(LINE)):
        if name not in arrays:
            raise BadInput(f"{record.path}: the array {name} is missing; run the cell again")
        wrong = ~np.isclose(arrays[name][rows], found[name], rtol=1e-3, atol=2e-3).all(1)
        if wrong.any():
            raise BadInput(
                f"{record.path}: {name} of {wrong.sum()} of {len(rows)} lines is not what its permutations give"
            )
