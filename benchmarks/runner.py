"""Running cells: fit, predict, audit, score, record. A cell is whole or absent; a failure is a record too."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ..methods.base import Method
from ..methods.registry import load_method, source_sha256
from ..zoo.collection import Zoo
from ..zoo.errors import BadInput
from ..zoo.machine import (
    environment,
    make_folder,
    peak_memory_mb,
    pick_device,
    reset_peak_memory,
    write_atomically,
)
from ..zoo.networks import Networks
from .audit import audit
from .evidence import read_predictions, read_truth, write_predictions, write_truth
from .result import CostPart, MethodPart, PredictionsPart, Result, TaskPart, ZooPart, read_result, spec_hash
from .scoring import score
from .suite import Suite
from .task import Task, load_task

WARM_UP = 64  # networks of an untimed first prediction


class BadOutput(RuntimeError):
    """A method's `predict` broke the contract."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One (method, task, zoo, seed) and where its result belongs."""

    task: Task
    method: Method
    seed: int
    out: Path

    @property
    def parts(self) -> tuple[TaskPart, ZooPart, MethodPart]:
        task, zoo, method = self.task, self.task.zoo, self.method
        sizes = {f"n_{name}": len(split) for name, split in task.splits.items()}
        return (
            TaskPart(
                name=task.name,
                version=task.version,
                options=task.options,
                metric=task.metric,
                unit=task.unit,
                higher_is_better=task.higher_is_better,
            ),
            ZooPart(
                name=zoo.name,
                version=zoo.version,
                recipe_sha256=zoo.manifest.recipe_sha256,
                manifest_sha256=zoo.manifest_sha256,
                own_build=True,
                **sizes,
            ),
            MethodPart(
                name=method.name,
                params=method.params,
                source_sha256=source_sha256(type(method)),
                paper=method.paper,
                variant=method.variant,
            ),
        )

    @property
    def path(self) -> Path:
        """`<out>/<task>/<zoo>/<method>/<spec hash>/seed-<k>.json`."""
        parts = self.parts
        folder = self.out / self.task.name / self.task.zoo.name / self.method.name / spec_hash(*parts)
        return folder / f"seed-{self.seed}.json"

    @property
    def title(self) -> str:
        variant = f" ({self.method.variant})" if self.method.variant else ""
        return f"{self.task.name} · {self.task.zoo.name} · {self.method.name}{variant} · seed {self.seed}"

    def finished(self) -> Result | None:
        """The result of an earlier run, if it was a success and its predictions are there."""
        with contextlib.suppress(BadInput):
            result = read_result(self.path)
            if result.status == "ok" and result.predictions is not None:
                read_predictions(self.path.with_name(result.predictions.file), result.predictions.sha256)
                return result
        return None


def plan(suite: Suite, *, seeds: Sequence[int] | None, out: Path) -> list[Cell]:
    """The cells of a suite. Everything that can be checked before the first fit is checked here. Raises BadInput."""
    cells = []
    for runs in suite.runs:
        task = load_task(runs.task, runs.zoo)
        for entry in runs.methods:
            params = dict(entry)
            if "name" not in params:
                raise BadInput(f"a method of task {runs.task} has no name: {entry}")
            method = load_method(params.pop("name"), params)
            cells += [checked_cell(task, method, seed, out) for seed in (seeds or suite.seeds)]
    return cells


def checked_cell(task: Task, method: Method, seed: int, out: Path) -> Cell:
    """Raises BadInput when the method does not support the task."""
    if task.name not in method.tasks:
        raise BadInput(f"method {method.name} supports {', '.join(method.tasks)}, not {task.name}")
    return Cell(task, method, seed, out)


def run(
    methods: Method | type[Method] | str | Iterable[Method | type[Method] | str],
    *,
    task: str,
    zoo: str | Path | Zoo,
    seeds: Sequence[int] = (0,),
    device: str | None = None,
    out: str | Path = "runs",
) -> list[Result]:
    """Run methods on a task of a zoo; finished cells are taken from `out`, not run again.

    Arguments:
        methods: one or several: instances, classes, names, or paths of files.
        device: by default a GPU where there is one.
        out: the results folder.

    Returns one `Result` per method and seed. Raises BadInput; a method's own error is a result with status "failed".
    """
    several = [methods] if isinstance(methods, str | type | Method) else list(methods)
    loaded = load_task(task, zoo)
    cells = [checked_cell(loaded, load_method(method), seed, Path(out)) for method in several for seed in seeds]
    return run_cells(cells, device=device, tell=lambda text: None)


def run_cells(cells: Sequence[Cell], *, device: str | None, tell: Callable[[str], None]) -> list[Result]:
    """Run what is not finished yet, in order; `tell` is given a line per cell."""
    device = pick_device(device)
    results = []
    for number, cell in enumerate(cells, 1):
        make_folder(cell.out)
        result = cell.finished()
        state = "kept"
        if result is None:
            result = run_cell(cell, device=device)
            state = f"{result.cost.fit_s:.1f} s" if result.cost else "failed"
        write_truth(cell.out, cell.task.zoo)
        outcome = f"{result.score:.2f} {result.task.unit}" if result.score is not None else f"{result.error}"
        tell(f"[{number}/{len(cells)}] {cell.title}: {outcome} ({state})")
        results.append(result)
    return results


def run_cell(cell: Cell, *, device: str) -> Result:
    """Run one cell and write its record; errors of the method become a failed result. Ctrl-C writes nothing."""
    method: Method = dataclasses.replace(cell.method)  # type: ignore[type-var]
    cell.path.parent.mkdir(parents=True, exist_ok=True)
    outcome: dict[str, Any]
    log = cell.path.with_suffix(".traceback.txt")
    log.unlink(missing_ok=True)
    try:
        outcome = _measure(cell, method, device)
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
        environment=environment(device),
        finished=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **outcome,
    )
    write_atomically(cell.path, result.to_json())
    return result


def _measure(cell: Cell, method: Method, device: str) -> dict[str, Any]:
    task = cell.task
    train, val, test = (task.splits[name] for name in ("train", "val", "test"))
    reset_peak_memory()
    started = time.perf_counter()
    method.fit(task, train, val, seed=cell.seed, device=device)
    _synchronise(device)
    fit_s = time.perf_counter() - started

    # In random order, so that a method cannot profit from how the split is sorted.
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(cell.seed))
    networks, targets = test.networks, task.targets(test)
    shuffled = networks[order]
    method.predict(shuffled[:WARM_UP])
    _synchronise(device)
    started = time.perf_counter()
    output = _checked(method.predict(shuffled), task, shuffled)
    _synchronise(device)
    predict_s = time.perf_counter() - started
    peak = peak_memory_mb(device)
    output = output[order.argsort()]

    write_truth(cell.out, task.zoo)
    file = cell.path.with_suffix(".safetensors")
    sha256 = write_predictions(file, test.ids, task.evidence(output, targets))
    report = dict(method.fit_report)
    report.setdefault(
        "selection",
        {
            "rule": "as fitted",
            "val_score": task.quality(_checked(method.predict(val.networks), task, val.networks), task.targets(val)),
            "trials": 1,
        },
    )
    scores = score(task.metric, *read_predictions(file, sha256), read_truth(cell.out, cell.parts[1]))
    return report | {
        "status": "ok",
        "score": scores[task.metric],
        "scores": scores,
        "symmetry": audit(method, task, networks, targets, seed=cell.seed),
        "predictions": PredictionsPart(file=file.name, sha256=sha256, n=len(test)),
        "cost": CostPart(
            parameters=method.num_parameters,
            fit_s=round(fit_s, 3),
            predict_networks_per_s=round(len(test) / predict_s, 1),
            peak_memory_mb=peak,
        ),
    }


def _checked(output: Any, task: Task, networks: Networks) -> Any:
    """`output`, detached and on the CPU, if it is what the task asks for. Raises BadOutput."""
    if task.output == "networks":
        if not isinstance(output, Networks) or output.arch != networks.arch or len(output) != len(networks):
            raise BadOutput(f"predict returned {_describe(output)}, expected {len(networks)} edited Networks")
        values = output.params
    else:
        expected = (len(networks), task.output_dim)
        if not isinstance(output, torch.Tensor) or tuple(output.shape) != expected:
            raise BadOutput(f"predict returned {_describe(output)}, expected a tensor of shape {expected}")
        values = output
    values = values.detach().cpu().float()
    if not torch.isfinite(values).all():
        rows = (~torch.isfinite(values)).flatten(1).any(1).sum().item()
        raise BadOutput(f"predict returned NaN or infinity for {rows} of {len(networks)} networks")
    return Networks(networks.arch, values) if task.output == "networks" else values


def _describe(output: Any) -> str:
    if isinstance(output, torch.Tensor):
        return f"a tensor of shape {tuple(output.shape)}"
    return f"{len(output)} Networks" if isinstance(output, Networks) else f"a {type(output).__name__}"


def _one_line(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    message = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {message} ({Path(frame.filename).name}:{frame.lineno})"


def _synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
