"""Running cells: fit, predict, audit, score, record. A cell is whole or absent; a failure is a record too."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from filelock import Timeout

from ..methods import checkpoint, distributed
from ..methods.base import Method
from ..methods.registry import load_method
from ..zoo.collection import Zoo
from ..zoo.errors import BadInput
from ..zoo.executor import Engine, Executor, Local, open_executor
from ..zoo.machine import (
    environment,
    make_folder,
    peak_memory_mb,
    reset_peak_memory,
    write_atomically,
)
from ..zoo.progress import Advance, silence, track
from .audit import audit
from .cell import LOCKS, Cell, checked_cell
from .evidence import read_predictions, read_truth, truth_paths, write_predictions, write_truth
from .protocols import Alignment, Representation, Supervised, protocol_of
from .result import CostPart, PredictionsPart, Result
from .scoring import score
from .task import Task, load_task

WARM_UP = 64  # networks of an untimed first prediction


@dataclass(frozen=True, eq=False)
class Encoder:
    """A method fitted without targets, its embeddings of train and val, and the seconds that took."""

    method: Method
    embeddings: torch.Tensor
    fit_s: float


def run(
    methods: Method | type[Method] | str | Iterable[Method | type[Method] | str],
    *,
    task: str,
    zoo: str | Path | Zoo,
    split: str | None = None,
    target: str | None = None,
    protocol: Literal["supervised", "representation"] = "supervised",
    also: str | None = None,
    seeds: Sequence[int] = (0,),
    device: str | None = None,
    executor: Engine = "local",
    jobs: int | None = None,
    address: str | None = None,
    memory: float | None = None,
    out: str | Path = "runs",
) -> list[Result]:
    """Run methods on a task of a zoo; finished cells are taken from `out`, not run again.

    Arguments:
        methods: one or several: instances, classes, names, or paths of files.
        split, target, protocol, also: the task's options, see `load_task`.
        device: by default a GPU where there is one.
        executor, jobs, address, memory: where cells run and how many at once, see `zoo.executor.open_executor`.
        out: the results folder.

    Returns one `Result` per method and seed. Raises BadInput; a method's own error is a result with status "failed".
    """
    several = [methods] if isinstance(methods, str | type | Method) else list(methods)
    loaded = load_task(task, zoo, split=split, target=target, protocol=protocol, also=also)
    cells = [checked_cell(loaded, load_method(method), seed, Path(out)) for method in several for seed in seeds]
    with open_executor(executor, jobs=jobs, address=address, memory=memory) as workers:
        return run_cells(cells, device=device, tell=lambda text: None, executor=workers)


def run_cells(
    cells: Sequence[Cell],
    *,
    device: str | None,
    tell: Callable[[str], None],
    executor: Executor | None = None,
) -> list[Result]:
    """Run what is not finished yet; `tell` is given a line per cell.

    Cells that another run of the same folder is working on are left to it, and taken over if it gives up.
    Under `torchrun` the first process runs the cells; the others help it to fit, and return nothing.
    Raises BadInput before the first fit for raw data that a task needs and that are not to be had.
    """
    for task in dict.fromkeys(cell.task for cell in cells):
        task.ready()
    executor = executor or Local()
    device = executor.device(device)
    if distributed.size() == 1:
        return _run_cells(cells, device, tell, executor)
    if not executor.here:
        raise BadInput("torchrun starts the processes that train one cell: leave out --jobs and --executor")
    with distributed.together(device):
        if distributed.rank():
            silence()
            while (cell := distributed.agreed(None)) is not None:
                protocol_of(cell.task)(cell.task, cell.method).fit(seed=cell.seed, device=device)
            return []
        results = _run_cells(cells, device, tell, executor)
        distributed.agreed(None)
    return results


def _run_cells(cells: Sequence[Cell], device: str, tell: Callable[[str], None], executor: Executor) -> list[Result]:
    results: dict[int, Result] = {}

    def note(index: int, result: Result, state: str) -> None:
        results[index] = result
        outcome = f"{result.score:.2f} {result.task.unit}" if result.score is not None else f"{result.error}"
        tell(f"[{len(results)}/{len(cells)}] {cells[index].title}: {outcome} ({state})")

    for folder in {cell.out for cell in cells}:
        make_folder(folder)
    for index, cell in enumerate(cells):
        if (found := cell.finished()) is not None:
            _keep_truth(cell)
            note(index, found, "kept")
    waiting = False
    while len(results) < len(cells):  # a second time only for cells that another run held
        groups = _sharing_an_encoder([index for index in range(len(cells)) if index not in results], cells)
        work = partial(_run_group, device=device, jobs=executor.jobs, wait=waiting)
        with _counted(executor, sum(map(len, groups))) as advance:
            pieces = [[cells[index] for index in group] for group in groups]
            for number, outcomes in executor.run(work, pieces, folder=cells[0].out / LOCKS):
                for index, result in zip(groups[number], outcomes, strict=True):
                    if result is not None:
                        note(index, result, f"{result.cost.fit_s:.1f} s" if result.cost else "failed")
                advance(len(outcomes))
        waiting = True
    return [results[index] for index in range(len(cells))]


def _sharing_an_encoder(indices: list[int], cells: Sequence[Cell]) -> list[list[int]]:
    """Neighbours that share a fitted encoder stay together; every other cell is a group of its own."""

    def key(index: int) -> tuple[str, int]:
        shared = cells[index].task.options.protocol == "representation"
        return cells[index].encoder, 0 if shared else index

    return [list(group) for _, group in groupby(indices, key)]


@contextlib.contextmanager
def _counted(executor: Executor, total: int) -> Iterator[Advance]:
    """Progress over cells, where they do not show their own."""
    if executor.here:
        yield lambda n=1, note="", fresh=True: None
    else:
        with track("run", total, "cells") as advance:
            yield advance


def _run_group(cells: list[Cell], *, device: str, jobs: int | None, wait: bool) -> list[Result | None]:
    """Run cells that may share an encoder; None for one that another process is running, unless `wait`."""
    encoders: dict[str, Encoder] = {}
    results: list[Result | None] = []
    for cell in cells:
        try:
            with cell.lock.acquire(timeout=-1 if wait else 0):
                found = cell.finished()  # by another run, since this one looked
                results.append(found or run_cell(cell, device=device, jobs=jobs, encoders=encoders))
        except Timeout:
            results.append(None)
    return results


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


def _measure(cell: Cell, device: str, encoders: dict[str, Encoder], place: checkpoint.Place) -> dict[str, Any]:
    task, test = cell.task, cell.task.splits["test"]
    reset_peak_memory()
    asked, fit_s = _fitted(cell, device, encoders, place)

    arrays, predict_s, peak = _evidence(asked, task, seed=cell.seed, device=device)
    if (other := task.elsewhere) is not None:
        found, _, _ = _evidence(asked, other, seed=cell.seed, device=device)
        arrays |= {f"{name}.{other.zoo.name}": values for name, values in found.items()}

    _, zoo, _ = cell.parts
    _keep_truth(cell)
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


def _keep_truth(cell: Cell) -> None:
    """Write what the cell's predictions are scored against."""
    tasks = [task for task in (cell.task, cell.task.elsewhere) if task is not None]
    for path, task in zip(truth_paths(cell.out, cell.parts[1], cell.task.options), tasks, strict=True):
        write_truth(path, task.zoo)


def _fitted(cell: Cell, device: str, encoders: dict[str, Encoder], place: checkpoint.Place) -> tuple[Supervised, float]:
    """The cell's method, fitted, and the seconds that took, also where an encoder was fitted for an earlier cell."""
    asked = protocol_of(cell.task)(cell.task, dataclasses.replace(cell.method))  # type: ignore[type-var]
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
