"""The metrics by name, and scores from stored predictions and the truth. Torch-free; the board knows nothing else."""

from __future__ import annotations

from ...runtime.errors import unknown
from ..records.predictions import Arrays
from ..records.result import TaskPart
from ..records.truth import Truth
from .accuracy import Accuracy
from .alignment import LossBarrier, MatchedNeurons
from .dilation import DilationError
from .metric import Evaluation, Metric
from .regression import R2, KendallTau, PearsonR
from .retrieval import MeanAveragePrecision
from .stored_dilation_error import StoredDilationError

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Accuracy(),
        PearsonR(),
        R2(),
        KendallTau(),
        MeanAveragePrecision(),
        MatchedNeurons(),
        LossBarrier(),
        DilationError(),
    )
}
EARLIER: dict[tuple[str, int | str], Metric] = {("inr-dilation", 1): StoredDilationError()}  # tasks and versions


def metric_of(name: str) -> Metric:
    """A metric by name. Raises BadInput for an unknown one."""
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return METRICS[name]


def metric_for(task: TaskPart) -> Metric:
    """The metric of a record's task, in its version. Raises BadInput for an unknown one."""
    return EARLIER.get((task.name, task.version)) or metric_of(task.metric)


def evaluate(task: TaskPart, ids: list[str], arrays: Arrays, truth: Truth) -> Evaluation:
    """Every score of a cell, the headline one under the metric's name and test network by test network too.

    Raises BadInput when the predictions do not cover exactly the test networks or contradict themselves.
    """
    metric = metric_for(task)
    return metric.evaluate(metric.answers(ids, arrays, truth, task.options))
