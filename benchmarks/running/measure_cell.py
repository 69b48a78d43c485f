"""One cell: fit, predict, audit, score, record. Its record is written last and at once; a failure is a record too."""

from __future__ import annotations

import dataclasses
import hashlib
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ...methods.contract.registry import is_builtin, source_of
from ...methods.training import checkpoint
from ...runtime import distributed
from ...runtime.files import write_atomically
from ...runtime.machine import environment, peak_memory_mb, reset_peak_memory
from ..metrics.scoring import evaluate
from ..records.predictions import Arrays, read_predictions, write_predictions
from ..records.result import CostPart, PredictionsPart, Result
from ..records.truth import write_truth
from ..task.task import Task
from .cell import Cell
from .protocols import Alignment, Encoder, Representation, Supervised, protocol_of
from .symmetry_audit import audit
from .torchrun import announce

Asked = Supervised | Representation | Alignment
WARM_UP = 64  # networks of an untimed first prediction


@dataclass
class LastEncoder:
    """The encoder that was fitted last, for the next target of the same representation."""

    key: str = ""
    encoder: Encoder | None = None


def run_cell(cell: Cell, *, device: str, jobs: int | None = 1, encoder: LastEncoder | None = None) -> Result:
    """Run one cell and write its record; errors of the method become a failed result. Ctrl-C writes nothing.

    Arguments:
        jobs: how many cells run at once, this one among them; None where Ray decides. For the record.
        encoder: is used where it fits, and replaced.
    """
    path = cell.folder.record_path(cell.spec, cell.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    outcome: dict[str, Any]
    log = path.with_suffix(".traceback.txt")
    log.unlink(missing_ok=True)
    _keep_source(cell)
    try:
        with checkpoint.kept_in(cell.folder.checkpoint(cell.spec, cell.seed)) as place:
            outcome = _measure(cell, path, device, encoder or LastEncoder(), place)
    except Exception as error:
        log.write_text(traceback.format_exc())
        out_of_memory = isinstance(error, torch.OutOfMemoryError | MemoryError)
        outcome = {"status": "oom" if out_of_memory else "failed", "error": _one_line(error)}
    result = Result(
        schema=2,
        task=cell.spec.task,
        zoo=cell.spec.zoo,
        method=cell.spec.method,
        seed=cell.seed,
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
    tasks = [task for task in (cell.task, cell.task.elsewhere) if task is not None]
    for path, task in zip(cell.folder.truth_paths(cell.spec), tasks, strict=True):
        write_truth(path, task.zoo)


def _keep_source(cell: Cell) -> None:
    """Write the file of a method that is no part of the suite, so that its results can be run again anywhere."""
    kind, path = type(cell.method), cell.folder.source_path(cell.spec.method.source_sha256)
    content = source_of(kind)
    if not is_builtin(kind) and not path.exists() and hashlib.sha256(content).hexdigest() == path.stem:
        write_atomically(path, content)


def _measure(
    cell: Cell, path: Path, device: str, encoder: LastEncoder, place: checkpoint.Checkpoints
) -> dict[str, Any]:
    """All that the record says but for what was asked, by whom and when."""
    task, test = cell.task, cell.task.splits["test"]
    reset_peak_memory()
    protocol, fit_s = _fitted(cell, device, encoder, place)
    arrays, predict_s, peak = _predicted(protocol, task, seed=cell.seed, device=device)
    if (other := task.elsewhere) is not None:
        found, _, _ = _predicted(protocol, other, seed=cell.seed, device=device)
        arrays |= {f"{name}.{other.zoo.name}": values for name, values in found.items()}
    keep_truth(cell)
    file, ids = path.with_suffix(".safetensors"), task.ids(test)
    sha256 = write_predictions(file, ids, arrays)
    # Scored as the board scores: from the files.
    scores = evaluate(cell.spec.task, *read_predictions(file, sha256), cell.folder.truth(cell.spec)).scores
    return protocol.report | {
        "status": "ok",
        "score": scores[task.metric],
        "scores": scores,
        "symmetry": audit(protocol, test, seed=cell.seed)
        if isinstance(protocol, Supervised | Representation)
        else None,
        "predictions": PredictionsPart(file=file.name, sha256=sha256, n=len(ids)),
        "cost": CostPart(
            parameters=protocol.method.num_parameters,
            fit_s=round(fit_s, 3),
            predict_networks_per_s=round(len(ids) / predict_s, 1),
            peak_memory_mb=peak,
        ),
    }


def _fitted(cell: Cell, device: str, last: LastEncoder, place: checkpoint.Checkpoints) -> tuple[Asked, float]:
    """The cell's method, fitted, and the seconds that took, also where an encoder was fitted for an earlier cell."""
    kind, method = protocol_of(cell.task), dataclasses.replace(cell.method)
    known = last.encoder if last.key == cell.encoder else None
    protocol = kind(cell.task, method) if known is None else Representation(cell.task, method, known)
    if known is None:
        announce(cell)
    started = time.perf_counter()
    protocol.fit(seed=cell.seed, device=device)
    _synchronise(device)
    seconds = time.perf_counter() - started + (known.fit_s if known else place.earlier_s)
    if isinstance(protocol, Representation) and protocol.embeddings is not None:
        last.key, last.encoder = cell.encoder, known or Encoder(protocol.method, protocol.embeddings, seconds)
    return protocol, seconds


def _predicted(protocol: Asked, task: Task, *, seed: int, device: str) -> tuple[Arrays, float, int]:
    """What is stored of a fitted method's answers about a task's test split, the seconds that these took, and the
    peak memory until then, MB."""
    test = task.splits["test"]
    # In random order, so that a method cannot profit from how the split is sorted.
    generator = torch.Generator().manual_seed(seed)
    inputs = task.inputs(test)
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
