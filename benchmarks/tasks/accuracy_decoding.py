"""Accuracy decoding: how well does this network do on its data? (StructureReps 2025; Unterthiner et al. 2020)

The target is the score that the zoo's table holds, accuracy or R2, on the network's training or test items.
"""

from __future__ import annotations

from ...runtime.errors import BadInput
from ..task.column_task import ColumnTask


class AccuracyDecoding(ColumnTask):
    """Values: the accuracy or R2 of each network, by default on its test items."""

    name = "accuracy-decoding"
    version = 2  # 1: read from representations by least squares
    family = "property"
    description = "Predict a network's score on its test data, or training data (--target train)"
    output, metric = "values", "pearson-r"
    kinds = ("numbers",)

    def _target(self, given: str | None) -> str:
        """ "test" (the default) and "train" stand for the zoo's own columns, say test_accuracy."""
        columns = {}
        for part in ("test", "train"):
            named = [f"{part}_{score}" for score in ("accuracy", "r2")]
            columns[part] = next((name for name in named if name in self.zoo.manifest.columns), "")
        if not all(columns.values()):
            raise BadInput(f"task {self.name}: zoo {self.zoo.name} has no columns train_accuracy and test_accuracy")
        found = columns.get(given or "test", given)
        if found not in columns.values():
            raise BadInput(f"task {self.name} takes --target test or train, not {given!r}; `property` takes any column")
        return str(found)
