"""One cell: fit, predict, audit, score, record. It is whole or absent; a failure is a record too."""

from __future__ import annotations

import dataclasses
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...methods.contract.method import Method
from ...methods.training import checkpoint
from ...runtime import distributed
from ...runtime.machine import environment, peak_memory_mb, reset_peak_memory, write_atomically
from ..metrics.scoring import score
from ..records.evidence import read_predictions, read_truth, truth_paths, write_predictions, write_truth
from ..records.result import CostPart, PredictionsPart, Result
from ..task.task import Task
from .cell import Cell
from .protocols import Alignment, Representation, Supervised, protocol_of
from .symmetry_audit import audit

WARM_UP = 64  # networks of an untimed first prediction


@dataclass(frozen=True, eq=False)
class Encoder:
    """A method fitted without targets, its embeddings of train and val, and the seconds that took."""

    method: Method
    embeddings: torch.Tensor
    fit_s: float


def run_cell(cell: Cell, *, device: str, jobs: int | None = 1, encoders: dict[str, Encoder] | None = None) -> Result:
    """Run one cell and write its record; errors of the method become a failed result. Ctrl-C writes nothing.

    Arguments:
        jobs: how many cells run at once, this one among them; None where Ray decides. For the record.
        encoders: where the last fitted encoder is kept, for the next target of the same representation.
    """
    cell.path.parent.mkdir(parents=True, exist_ok=True)
    outcome: dict[str, Any]
    log = cell.path.with_suffix(".traceback.txt")
    log.unlink(missing_ok=True)
    try:
        with checkpoint.kept_in(cell.checkpoint) as place:
            outcome = _measure(cell, device, {} if encoders is None else encoders, place)
    except Exception as error:
        log.write_text(traceback.format_exc())
        out_of_memory = isinstance(error, torch.OutOfMemoryError | MemoryError)
        outcome = {"status": "oom" if out_of_memory else "failed", "error": _one_line(error)}
    task, zoo, spec = cell.parts
    result = Result(
        schema=1,
        task=task,
        zoo=zoo,
        method=spec,
        seed=cell.seed,
        environment=environment(device) | {"jobs": jobs},
        finished=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **outcome,
    )
    write_atomically(cell.path, result.to_json())
    if result.status != "ok" and distributed.size() > 1:
        raise RuntimeError(result.error)  # the other processes are in the middle of a step: torchrun ends them
    return result


def _measure(cell: Cell, device: str, encoders: dict[str, Encoder], place: checkpoint.Checkpoints) -> dict[str, Any]:
    task, test = cell.task, cell.task.splits["test"]
    reset_peak_memory()
    asked, fit_s = _fitted(cell, device, encoders, place)

    arrays, predict_s, peak = _evidence(asked, task, seed=cell.seed, device=device)
    if (other := task.elsewhere) is not None:
        found, _, _ = _evidence(asked, other, seed=cell.seed, device=device)
        arrays |= {f"{name}.{other.zoo.name}": values for name, values in found.items()}

    _, zoo, _ = cell.parts
    keep_truth(cell)
    file = cell.path.with_suffix(".safetensors")
    ids = task.ids(test)
    sha256 = write_predictions(file, ids, arrays)
    report = asked.report
    if "selection" not in report:
        val = task.splits["val"]
        judged = asked.judged([asked.output(networks) for networks in val.groups], val.table)
        quality = task.quality(judged, task.targets(val))
        report["selection"] = {"rule": "as fitted", "val_score": quality, "trials": 1}
    scores = score(cell.parts[0], *read_predictions(file, sha256), read_truth(cell.out, zoo, task.options))
    return report | {
        "status": "ok",
        "score": scores[task.metric],
        "scores": scores,
        "symmetry": None if isinstance(asked, Alignment) else audit(asked, test, seed=cell.seed),
        "predictions": PredictionsPart(file=file.name, sha256=sha256, n=len(ids)),
        "cost": CostPart(
            parameters=asked.method.num_parameters,
            fit_s=round(fit_s, 3),
            predict_networks_per_s=round(len(ids) / predict_s, 1),
            peak_memory_mb=peak,
        ),
    }


def _evidence(asked: Supervised, task: Task, *, seed: int, device: str) -> tuple[dict[str, np.ndarray], float, int]:
    """What is stored of a fitted method's answers about a task's test split, the seconds that these took, and the
    peak memory until then."""
    test = task.splits["test"]
    # In random order, so that a method cannot profit from how the split is sorted.
    generator = torch.Generator().manual_seed(seed)
    inputs = task.inputs(test)
    orders = [torch.randperm(len(networks), generator=generator) for networks in inputs]
    shuffled = [networks[order] for networks, order in zip(inputs, orders, strict=True)]
    for networks in shuffled:
        asked.output(networks[:WARM_UP])
    _synchronise(device)
    started = time.perf_counter()
    outputs = [asked.output(networks) for networks in shuffled]
    _synchronise(device)
    seconds, peak = time.perf_counter() - started, peak_memory_mb(device)
    outputs = [output[order.argsort()] for output, order in zip(outputs, orders, strict=True)]
    return task.evidence(asked.judged(outputs, test.table), task.targets(test)), seconds, peak


def keep_truth(cell: Cell) -> None:
    """Write what the cell's predictions are scored against."""
    tasks = [task for task in (cell.task, cell.task.elsewhere) if task is not None]
    for path, task in zip(truth_paths(cell.out, cell.parts[1], cell.task.options), tasks, strict=True):
        write_truth(path, task.zoo)


def _fitted(
    cell: Cell, device: str, encoders: dict[str, Encoder], place: checkpoint.Checkpoints
) -> tuple[Supervised, float]:
    """The cell's method, fitted, and the seconds that took, also where an encoder was fitted for an earlier cell."""
    asked = protocol_of(cell.task)(cell.task, dataclasses.replace(cell.method))
    known = encoders.get(cell.encoder) if isinstance(asked, Representation) else None
    if known is not None and isinstance(asked, Representation):
        asked.method, asked.embeddings = known.method, known.embeddings
    if known is None:
        distributed.agreed(cell)  # the processes that help take it from here
    started = time.perf_counter()
    asked.fit(seed=cell.seed, device=device)
    _synchronise(device)
    seconds = time.perf_counter() - started + (known.fit_s if known else place.earlier_s)
    encoders.clear()
    if isinstance(asked, Representation) and asked.embeddings is not None:
        encoders[cell.encoder] = known or Encoder(asked.method, asked.embeddings, seconds)
    return asked, seconds


def _one_line(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    message = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {message} ({Path(frame.filename).name}:{frame.lineno})"


def _synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
