"""Accuracy: the share of networks whose largest logit is that of the right class."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .metric import Answers, Items, Metric


class Accuracy(Metric):
    """In %, from logits `[N, classes]` and class numbers `[N]`."""

    name, unit = "accuracy", "%"

    def read(self, answers: Answers) -> tuple[np.ndarray, np.ndarray]:
        """The logits, and the number of each network's class."""
        target = answers.options.target or "label"
        classes = answers.truth.classes[target]
        numbers = pd.Index(classes).get_indexer(pd.Index(answers.column(target)))
        return answers.array("logits", len(classes)), numbers

    def items(self, logits: np.ndarray, classes: np.ndarray) -> Items:
        """100 for a right answer, else 0."""
        return Items(100.0 * (logits.argmax(1) == classes)[:, None], bounds=(0, 100))
