"""One cell: fit, predict, audit, score, record. Its record is written last and at once; a failure is a record too."""

from __future__ import annotations

import hashlib
import importlib
import time
import traceback
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from ...methods.contract.plug_in import reference_of, source_of, source_sha256
from ...methods.contract.registry import METHODS
from ...methods.training import checkpoint, training_log
from ...methods.training.neural_method import NeuralMethod
from ...methods.training.training_log import LogKind
from ...runtime import distributed
from ...runtime.errors import BadInput
from ...runtime.files import write_atomically
from ...runtime.machine import environment, peak_memory_mb, reset_peak_memory
from ..metrics.scoring import evaluate
from ..records.predictions import Arrays, read_predictions, write_predictions
from ..records.result import CostPart, PredictionsPart, Result, SymmetryPart
from ..records.truth import write_truth
from ..task.task import TASKS, Task
from .cell import Cell
from .protocols import Alignment, Encoder, Representation, Supervised, protocol_of
from .symmetry_audit import audit
from .torchrun import announce

Asked = Supervised | Representation | Alignment
WARM_UP = 64  # networks of an untimed first prediction


@dataclass
class LastEncoder:
    """The encoder that was fitted last, for the next target of the same representation; of each fold its own."""

    key: str = ""
    of_folds: dict[int, Encoder] = field(default_factory=dict)

    def of(self, cell: Cell) -> dict[int, Encoder]:
        """Those that fit a cell; others are dropped."""
        if self.key != cell.encoder:
            self.key, self.of_folds = cell.encoder, {}
        return self.of_folds


def run_cell(
    cell: Cell,
    *,
    device: str,
    jobs: int | None = 1,
    log: LogKind | None = None,
    encoder: LastEncoder | None = None,
) -> Result:
    """Run one cell and write its record; errors of the method become a failed result. Ctrl-C writes nothing.

    Arguments:
        jobs: how many cells run at once, this one among them; None where Ray decides. For the record.
        log: what its trainings are logged for, in a folder beside the record.
        encoder: is used where it fits, and replaced.
    """
    path = cell.folder.record_path(cell.spec, cell.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    outcome: dict[str, Any]
    trace = path.with_suffix(".traceback.txt")
    trace.unlink(missing_ok=True)
    try:
        _keep_sources(cell)
        with training_log.written_to(path.with_suffix(f".{log}") if log else None):
            outcome = _measure(cell, path, device, encoder or LastEncoder())
    except Exception as error:
        trace.write_text(traceback.format_exc())
        out_of_memory = isinstance(error, torch.OutOfMemoryError | MemoryError)
        outcome = {"status": "oom" if out_of_memory else "failed", "error": _one_line(error)}
    result = Result(
        schema=2,
        task=cell.spec.task,
        zoo=cell.spec.zoo,
        method=cell.spec.method,
        seed=cell.seed,
        trial=cell.trial,
        environment=environment(device) | {"jobs": jobs},
        finished=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **outcome,
    )
    write_atomically(path, result.to_json())
    if result.status != "ok" and distributed.size() > 1:
        raise RuntimeError(result.error)  # the other processes are in the middle of a step: torchrun ends them
    return result


def keep_truth(cell: Cell) -> None:
    """Write what the cell's predictions are scored against."""
    for path, task in zip(cell.folder.truth_paths(cell.spec), [cell.task, *cell.task.elsewhere], strict=True):
        write_truth(path, task.zoo)


def _keep_sources(cell: Cell) -> None:
    """Write the files of a method and a task that are no part of the suite, so that results can be run again anywhere.

    Raises BadInput in a process that has loaded a file which was edited since the cell was planned.
    """
    method, task = type(cell.method), type(cell.task)
    for plug_ins, kind, sha256 in (
        (METHODS, method, cell.spec.method.source_sha256),
        (TASKS, task, cell.spec.task.source_sha256),
    ):
        if plug_ins.is_builtin(kind) or sha256 is None:
            continue
        if isinstance(file := reference_of(kind), str) and source_sha256(kind) != sha256:
            raise BadInput(f"{file} was edited while this ran: run the same command again")
        path, content = cell.folder.source_path(sha256), source_of(kind)
        if not path.exists() and hashlib.sha256(content).hexdigest() == sha256:
            write_atomically(path, content)


def _measure(cell: Cell, path: Path, device: str, encoder: LastEncoder) -> dict[str, Any]:
    """All that the record says but for what was asked, by whom and when."""
    reset_peak_memory()
    folds = [
        _fold(replace(cell, task=task), number, device, encoder.of(cell)) for number, task in enumerate(cell.task.folds)
    ]
    keep_truth(cell)
    file, ids = path.with_suffix(".safetensors"), [name for fold in folds for name in fold.ids]
    arrays = {name: np.concatenate([fold.arrays[name] for fold in folds]) for name in folds[0].arrays}
    sha256 = write_predictions(file, ids, arrays)
    # Scored as the board scores: from the files.
    scores = evaluate(cell.spec.task, *read_predictions(file, sha256), cell.folder.truth(cell.spec)).scores
    return _report(folds) | {
        "status": "ok",
        "score": scores[cell.task.metric],
        "scores": scores,
        "symmetry": folds[0].symmetry,
        "predictions": PredictionsPart(file=file.name, sha256=sha256, n=len(ids)),
        "cost": CostPart(
            parameters=folds[0].parameters,
            fit_s=round(sum(fold.fit_s for fold in folds), 3),
            predict_networks_per_s=round(sum(fold.asked for fold in folds) / sum(fold.predict_s for fold in folds), 1),
            peak_memory_mb=folds[-1].peak_memory_mb,
        ),
    }


@dataclass(frozen=True)
class Fold:
    """What one fit gave: the stored answers about its test split, how many networks (or pairs) it was asked about, of
    which a metric may store a part, and what the record says of it."""

    ids: list[str]
    arrays: Arrays
    report: dict[str, Any]
    symmetry: SymmetryPart | None
    parameters: int | None
    fit_s: float
    asked: int
    predict_s: float
    peak_memory_mb: int


def _fold(cell: Cell, number: int, device: str, encoders: dict[int, Encoder]) -> Fold:
    """Fit the cell's method to its task, which is a fold, and ask it. Only the first fold is audited."""
    task, test = cell.task, cell.task.splits["test"]
    stem = cell.folder.checkpoint(cell.spec, cell.seed)
    with checkpoint.kept_in(stem.with_name(f"{stem.name}-fold{number}") if number else stem) as place:
        protocol, fit_s = _fitted(cell, number, device, encoders, place)
        arrays, predict_s, peak = _predicted(protocol, task, seed=cell.seed, device=device)
        for other in task.elsewhere:
            found, _, _ = _predicted(protocol, other, seed=cell.seed, device=device)
            arrays |= {f"{name}.{other.zoo.name}": values for name, values in found.items()}
        audited = number == 0 and not cell.method.reads
        return Fold(
            ids=task.ids(test),
            arrays=arrays,
            report=protocol.report,
            symmetry=audit(protocol, test, seed=cell.seed)
            if audited and isinstance(protocol, Supervised | Representation)
            else None,
            parameters=protocol.method.num_parameters,
            fit_s=fit_s,
            asked=sum(map(len, protocol.asked(test))),
            predict_s=predict_s,
            peak_memory_mb=peak,
        )


def _report(folds: list[Fold]) -> dict[str, Any]:
    """How the method was chosen and what that took: the first fit's, with the mean score on val and all FLOPs."""
    report = folds[0].report
    known = [score for fold in folds if (score := fold.report["selection"].get("val_score")) is not None]
    if len(folds) > 1 and len(known) == len(folds):
        report |= {"selection": report["selection"] | {"val_score": fmean(known)}}
    counted = [flops for fold in folds if (flops := (fold.report.get("budget") or {}).get("flops")) is not None]
    if len(folds) > 1 and len(counted) == len(folds):
        report |= {"budget": report["budget"] | {"flops": sum(counted)}}
    return report


def _fitted(
    cell: Cell, fold: int, device: str, encoders: dict[int, Encoder], place: checkpoint.Checkpoints
) -> tuple[Asked, float]:
    """The cell's method, fitted, and the seconds that took, also where an encoder was fitted for an earlier cell."""
    kind, method = protocol_of(cell.task), replace(cell.method)
    known = encoders.get(fold)
    protocol = kind(cell.task, method) if known is None else Representation(cell.task, method, known)
    if known is None:
        announce(cell)
        if isinstance(method, NeuralMethod):
            importlib.import_module("torch._dynamo")  # a process's first optimizer imports it, which takes seconds
    started = time.perf_counter()
    protocol.fit(seed=cell.seed, device=device)
    _synchronise(device)
    seconds = time.perf_counter() - started + (known.fit_s if known else place.earlier_s)
    if isinstance(protocol, Representation) and protocol.embeddings is not None:
        encoders[fold] = known or Encoder(protocol.method, protocol.embeddings, seconds)
    return protocol, seconds


def _predicted(protocol: Asked, task: Task, *, seed: int, device: str) -> tuple[Arrays, float, int]:
    """What is stored of a fitted method's answers about a task's test split, the seconds that these took, and the
    peak memory until then, MB."""
    test = task.splits["test"]
    # In random order, so that a method cannot profit from how the split is sorted.
    generator = torch.Generator().manual_seed(seed)
    inputs = protocol.asked(test)
    orders = [torch.randperm(len(networks), generator=generator) for networks in inputs]
    shuffled = [networks[order] for networks, order in zip(inputs, orders, strict=True)]
    for networks in shuffled:
        protocol.output(networks[:WARM_UP])
    _synchronise(device)
    started = time.perf_counter()
    outputs = [protocol.output(networks) for networks in shuffled]
    _synchronise(device)
    seconds, peak = time.perf_counter() - started, peak_memory_mb(device)
    outputs = [output[order.argsort()] for output, order in zip(outputs, orders, strict=True)]
    return task.evidence(protocol.judged(outputs, test.table), test), seconds, peak


def _one_line(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    message = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {message} ({Path(frame.filename).name}:{frame.lineno})"


def _synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
