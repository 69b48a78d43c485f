"""Generalisation gap: the score on the training items minus the score on the test items (Jiang et al. 2019)."""

from __future__ import annotations

from ..task.task import Task
from .accuracy_decoding import AccuracyDecoding


class GeneralizationGap(AccuracyDecoding):
    """Values: the difference of two scores of each network."""

    name = "generalization-gap"
    description = "Predict by how much a network does better on its training data than on its test data"
    metric = "kendall-tau"

    def _target(self, given: str | None) -> str:
        resolved = f"{super()._target('train')} - {super()._target('test')}"
        if given != resolved:
            Task._target(self, given)  # refuses any
        return resolved
