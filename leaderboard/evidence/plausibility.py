"""Predictions that no honest method gives: the truth itself, or those of another method to the last bit. Torch-free.

The rules let every honest coincidence pass, and with it whoever adds noise to what he copies: that only a replication
tells. A method that finds the label of every image can say how sure it is; two that agree in every floating-point
number are one method under two names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ...benchmarks.metrics.accuracy import Accuracy
from ...benchmarks.metrics.dilation import dilated, quantise
from ...benchmarks.metrics.metric import Answers
from ...benchmarks.metrics.scoring import metric_for
from ...benchmarks.records.predictions import Arrays
from ...benchmarks.records.result import Result
from ...benchmarks.records.results_folder import Record
from ...benchmarks.records.truth import Truth
from ...methods.contract.builtin import builtin_methods
from .code_history import history_is_whole, known_sources

FEWEST_IMAGES = 500  # whose labels nobody gets all right without a doubt
FEWEST_VALUES = 50  # different fractions, or pictures, that nobody predicts to the last bit
FEWEST_NUMBERS = 16  # beyond those of a constant answer, in which two methods cannot agree by chance
CONSTANT = "constant"  # the control, which a method that sees nothing of a network may equal, run by run
COMPARED = (
    "logits",
    "values",
    "embeddings",
    "standardised",
    "pixels",
)  # permutations may agree: often one is the best


def truth_told(result: Result, ids: list[str], arrays: Arrays, truth: Truth) -> str:
    """How stored predictions are the truth itself; "" where they may be a method's."""
    metric = metric_for(result.task)
    answers = metric.answers(ids, arrays, truth, result.task.options)
    return next(filter(None, map(_told, (answers, *answers.elsewhere(metric).values()))), "")


def _told(answers: Answers) -> str:
    target = answers.options.target or "label"
    if "logits" in answers.arrays and target == "label" and answers.truth.images is not None:
        logits, classes = Accuracy().read(answers)
        hard = len(np.unique(logits)) == 2
        if hard and len(logits) >= FEWEST_IMAGES and (logits.argmax(1) == classes).all():
            return (
                f"its logits have two values and name the class of all {len(logits):,} images: the labels themselves; "
                "submit the numbers that a class was chosen by"
            )
    if "values" in answers.arrays:
        true = answers.column(target).astype(np.float32)
        if len(np.unique(true[true % 1 != 0])) >= FEWEST_VALUES and (answers.array("values", 1)[:, 0] == true).all():
            return f"its values are {target} of all {len(true):,} networks to the last bit: the truth itself"
    if "pixels" in answers.arrays and answers.truth.images is not None:
        pixels = answers.arrays["pixels"]
        targets = dilated(answers.truth.images[answers.rows[: len(pixels)]]).reshape(len(pixels), -1)
        pictured = np.ptp(targets, axis=1) > 0  # an image of one grey can be told exactly
        same = (pixels == quantise(targets)).all(1) & pictured
        if same.any() and same.sum() >= min(FEWEST_VALUES, pictured.sum()):
            return f"{same.sum():,} of its renderings are the dilated images to the last byte: the truth itself"
    return ""


class Copies:
    """The answers seen so far, to find equal ones under another method's name."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, ...], Record] = {}

    def original(self, record: Record, ids: list[str], arrays: Arrays) -> Record | None:
        """An earlier record of another method on the same board with answers equal in every bit."""
        found = None
        order = np.argsort(ids)
        for name, values in arrays.items():
            if name.partition(".")[0] not in COMPARED or len(np.setdiff1d(values, values[0])) < FEWEST_NUMBERS:
                continue
            if record.result.method.name == CONSTANT:
                continue
            rows = order[order < len(values)]  # version 1 of inr-dilation kept the first renderings alone
            content = hashlib.sha256(np.ascontiguousarray(values[rows]).tobytes()).hexdigest()
            first = self.seen.setdefault((*board_of(record), name, content), record)
            if first.result.method.name != record.result.method.name:
                found = found or first
        return found


def copied(original: Record) -> str:
    """What is wrong with a record whose answers are those of `original`."""
    method = original.result.method.label
    return f"its predictions are those of {method}, seed {original.result.seed}, in every bit: {original.path}"


def board_of(record: Record) -> tuple[str, ...]:
    """What records of one board have in common."""
    task, zoo = record.result.task, record.result.zoo
    return (task.name, str(task.version), str(task.options), zoo.name, zoo.version, zoo.recipe_sha256)


def suite_first(records: Iterable[Record]) -> list[Record]:
    """Methods of the suite before any other: of two equal answers theirs are the original."""
    return sorted(records, key=lambda record: record.result.method.name not in builtin_methods())


def doubts(records: Iterable[Record]) -> Iterator[str]:
    """One line for every record whose predictions no honest method gives, and in a clone with all of its history for
    one whose code is in no commit. Raises BadInput for damaged evidence."""
    truths: dict[tuple[Path, ...], Truth] = {}
    copies = Copies()
    for record in suite_first(records):
        if not record.succeeded:
            continue
        paths = tuple(record.folder.truth_paths(record.result.spec))
        truth = truths[paths] if paths in truths else truths.setdefault(paths, record.truth)
        ids, arrays = record.predictions()
        original = copies.original(record, ids, arrays)
        why = truth_told(record.result, ids, arrays, truth) or (copied(original) if original else "")
        if why:
            yield f"{record.path}: {why}"
        method = record.result.method
        if (
            method.name in builtin_methods()
            and history_is_whole()
            and method.source_sha256 not in known_sources(method.name)
        ):
            yield f"{record.path}: method.source_sha256: in no commit of this clone the file of {method.name}"
