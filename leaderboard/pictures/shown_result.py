"""`ShownResult`: a result with its evidence, as pictures need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...benchmarks.records.result import Result
from ...benchmarks.records.truth import Truth

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ShownResult:
    """A result with its evidence.

    Arguments:
        label: what names it among the others of its picture.
        arrays: the stored predictions; row i is about the network of `table`'s row i.
        scores: recomputed from them.
    """

    result: Result
    label: str
    arrays: dict[str, np.ndarray]
    scores: dict[str, float]
    truth: Truth
    table: pd.DataFrame
