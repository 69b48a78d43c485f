"""`run`, the front door: from what is asked to results, on whatever executor. The command line calls it too."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import get_args

from filelock import Timeout

from ...methods.contract.method import Method
from ...methods.contract.registry import load_method
from ...methods.training.training_log import LogKind, require
from ...runtime import distributed
from ...runtime.errors import BadInput, unknown
from ...runtime.execution import Execution
from ...runtime.executor import Engine, Executor
from ...runtime.files import make_folder
from ...runtime.open_executor import open_executor
from ...runtime.progress import Advance, track
from ...zoo.load_zoo import make_zoos
from ...zoo.storage.zoo import Zoo
from ..records.result import Options, ProtocolName, Result, shown_unit
from ..records.results_folder import LOCKS, ResultsFolder
from ..records.results_table import Results
from ..task.registry import task_class
from ..task.task import Task
from .cell import Cell
from .measure_cell import LastEncoder, keep_truth, run_cell
from .plan_cells import Request, plan, requests_of
from .suite import Suite, load_suite
from .torchrun import helped

Tell = Callable[[str], None]
Hear = Callable[[Cell, Result], None]
Ready = Callable[[list[Result]], None]


def run(
    methods: Method | type[Method] | str | Iterable[Method | type[Method] | str] = (),
    *,
    task: str | type[Task] | None = None,
    zoo: str | Path | Zoo | None = None,
    split: str | None = None,
    target: str | None = None,
    protocol: ProtocolName = "supervised",
    also: str | None = None,
    suite: str | Suite | None = None,
    seeds: Sequence[int] | None = None,
    trials: int = 1,
    device: str | None = None,
    executor: Engine = "local",
    jobs: int | None = None,
    address: str | None = None,
    memory: float | None = None,
    out: str | Path = "runs",
    log: LogKind | None = None,
    tell: Tell | None = None,
    ready: Ready | None = None,
) -> Results:
    """Run methods on a task of a zoo, or a suite; finished cells are taken from `out`, not run again.

    Arguments:
        methods: one or several: instances, classes, names, or paths of files.
        task: a name, the path of a file, or a class.
        split, target, protocol, also: the task's options, see `load_task`.
        suite: a suite's name or TOML file, instead of methods, task, zoo and options.
        seeds: by default the suite's, or 0.
        trials: of a random search over every method's `search_space`, at the first seed; at the others the trial is run
            that was best on the validation split.
        device: by default a GPU where there is one.
        executor, jobs, address, memory: where cells run and how many at once, see `Execution`.
        out: the results folder.
        log: "tensorboard" writes the loss of every step and the validation score of every epoch beside the records.
        tell: is given a line per cell.
        ready: is given the results of a board (a task with its options on a zoo) as soon as all are there.

    Returns one `Result` per cell, and as `to_pandas()` their table. Raises BadInput; a method's own error is a result
    with status "failed".

    Example:
        >>> import weightbench as wb
        >>> results = wb.run("weight-norms", task="property", zoo="digits-inrs", target="psnr", seeds=[0, 1])
        >>> [(result.seed, result.status) for result in results]
        [(0, 'ok'), (1, 'ok')]
        >>> results.to_pandas()[["method", "seed", "metric"]].values.tolist()
        [['weight-norms', 0, 'pearson-r'], ['weight-norms', 1, 'pearson-r']]
    """
    execution = Execution(executor, jobs, address, memory, device)
    if log is not None:
        require(log)
    several = [methods] if isinstance(methods, str | type | Method) else list(methods)
    if suite is not None:
        if several or task or zoo:
            raise BadInput("a suite brings its own methods, tasks and zoos: leave those out")
        found = load_suite(suite) if isinstance(suite, str) else suite
        requests, seeds = requests_of(found), seeds or found.seeds
    elif task is None or zoo is None:
        raise BadInput("running methods takes a task and a zoo; or name a suite")
    elif protocol not in get_args(ProtocolName):
        raise unknown("protocol", protocol, get_args(ProtocolName))
    else:
        options = Options(split=split, target=target, protocol=protocol, also=also)
        requests = [Request([load_method(method) for method in several], task_class(task), zoo, [options], trials)]
    if distributed.size() > 1 and any(request.trials > 1 for request in requests):
        raise BadInput("torchrun trains one cell on several devices; a random search takes --jobs instead")
    if execution.executor == "local":
        make_zoos([request.zoo for request in requests if not isinstance(request.zoo, Zoo)], execution.jobs or 1)
    results: list[Result] = []
    with open_executor(execution) as workers:
        while cells := _next_cells(plan(requests, seeds or [0], ResultsFolder(Path(out))), results):
            results += run_cells(cells, device=device, executor=workers, log=log, tell=tell, ready=ready)
            if distributed.size() > 1:  # there is no second round
                break
    return Results(results, Path(out))


def _next_cells(planned: Sequence[Cell], results: Sequence[Result]) -> list[Cell]:
    """Those without a result; a random search plans more cells once it has chosen."""
    known = {(result.spec.hash, result.seed) for result in results}
    return [cell for cell in planned if (cell.spec.hash, cell.seed) not in known]


def run_cells(
    cells: Sequence[Cell],
    *,
    device: str | None,
    executor: Executor,
    log: LogKind | None = None,
    tell: Tell | None = None,
    hear: Hear | None = None,
    ready: Ready | None = None,
) -> list[Result]:
    """Run what is not finished yet.

    Arguments:
        log: see `run`.
        tell: is given a line per cell.
        hear: is given every cell with its result, as soon as that is there.
        ready: see `run`.

    Cells that another run of the same folder is working on are left to it, and taken over if it gives up.
    Under `torchrun` the first process runs the cells; the others help it to fit, and return nothing.
    Raises BadInput before the first fit for raw data that a task needs and that are missing.
    """
    for task in dict.fromkeys(cell.task for cell in cells):
        task.ready()
    device = executor.device(device)
    if distributed.size() > 1 and not executor.here:
        raise BadInput("torchrun starts the processes that train one cell: leave out --jobs and --executor")
    with helped(device) as first:
        if not first:
            return []
        tell, hear, ready = tell or _unheard, hear or _unheard, ready or _unheard
        work = partial(_run_group, device=device, jobs=executor.jobs, log=log)
        return _run_cells(cells, executor, work, tell, hear, ready)


def _unheard(*_: object) -> None: ...


def _run_cells(
    cells: Sequence[Cell],
    executor: Executor,
    work: Callable[..., list[Result | None]],
    tell: Tell,
    hear: Hear,
    ready: Ready,
) -> list[Result]:
    results: dict[int, Result] = {}
    of_board = defaultdict(list)
    for index, cell in enumerate(cells):
        of_board[cell.spec.board].append(index)

    def note(index: int, result: Result, state: str) -> None:
        results[index] = result
        score = None if result.score is None else f"{result.score:.2f} {shown_unit(result.task.unit)}".rstrip()
        tell(f"[{len(results)}/{len(cells)}] {cells[index].title}: {score or result.error} ({state})")
        hear(cells[index], result)
        if results.keys() >= (board := set(of_board[cells[index].spec.board])):
            ready([results[i] for i in sorted(board)])

    for folder in {cell.folder.path for cell in cells}:
        make_folder(folder)
    for index, cell in enumerate(cells):
        if (found := cell.finished()) is not None:
            keep_truth(cell)
            note(index, cell.kept(found), "kept")
    waiting = False
    while len(results) < len(cells):  # a second time only for cells that another run held
        groups = _sharing_an_encoder([index for index in range(len(cells)) if index not in results], cells)
        with _counted(executor, sum(map(len, groups))) as advance:
            pieces = [[cells[index] for index in group] for group in groups]
            for number, outcomes in executor.run(
                partial(work, wait=waiting), pieces, folder=cells[0].folder.path / LOCKS
            ):
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


def _run_group(
    cells: list[Cell], *, device: str, jobs: int | None, log: LogKind | None, wait: bool
) -> list[Result | None]:
    """Run cells that may share an encoder; None for one that another process is running, unless `wait`."""
    encoder = LastEncoder()
    results: list[Result | None] = []
    for cell in cells:
        try:
            with cell.folder.lock(cell.spec, cell.seed).acquire(timeout=-1 if wait else 0):
                found = cell.finished()  # by another run, since this one looked
                results.append(found or run_cell(cell, device=device, jobs=jobs, log=log, encoder=encoder))
        except Timeout:
            results.append(None)
    return results
