"""Finding a task: by built-in name, by path of a file, or by entry point; what a task of one's own must be."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args, get_type_hints

from ...runtime.errors import BadInput
from ...zoo.load_zoo import load_zoo
from ...zoo.storage.zoo import Zoo
from ..metrics.scoring import METRICS
from ..records.result import Options, ProtocolName
from .task import TASKS, Task

NAME = "[a-z0-9]+(-[a-z0-9]+)*"  # the results folder and the board's addresses hold it


def task_names() -> list[str]:
    """The suite's tasks and installed plug-ins, by name."""
    return TASKS.names()


def task_class(reference: str | type[Task]) -> type[Task]:
    """The class for a name, or for a path "my_task.py" or "my_task.py:Class". Raises BadInput."""
    if isinstance(reference, str):
        found = TASKS.load(reference)
    else:
        found, reference = TASKS.checked(reference, "task"), f"task {getattr(reference, '__name__', '')}"
    if not TASKS.is_builtin(found):
        _check(found, reference)
    return found


def load_task(
    task: str | type[Task],
    zoo: str | Path | Zoo,
    *,
    split: str | None = None,
    target: str | None = None,
    protocol: ProtocolName = "supervised",
    also: str | None = None,
) -> Task:
    """A task on a zoo, which is a name, a folder or a loaded `Zoo`. Raises BadInput.

    Arguments:
        task: a name, the path of a file "my_task.py" or "my_task.py:Class", or a class.
        split: "within-run" or "across-runs" (the default) on a snapshot zoo; "cross-fitted" on any zoo of runs;
            "across-depths", "across-widths" or "across-families" on any of several architectures.
        target: the column asked for, where the task leaves that open.
        protocol: "supervised", or "representation": the method embeds, the suite's linear model reads.
        also: zoos, by name or folder, with commas between them, that are tested on too, out of domain, where the task
            can; the zoo itself, named there, is left out.

    Example:
        >>> import weightbench as wb
        >>> task = wb.load_task("inr-classification", "digits-inrs")
        >>> task.output, task.output_dim, task.metric
        ('logits', 10, 'accuracy')
    """
    found = task_class(task)
    options = Options(split=split, target=target, protocol=protocol, also=also)
    return found(zoo if isinstance(zoo, Zoo) else load_zoo(zoo), options)


def _check(kind: type[Task], reference: str) -> None:
    """Raises BadInput for a class that is no task yet, passes for one of the suite, or brings its own metric."""
    if not re.fullmatch(NAME, kind.name):
        raise BadInput(f"{reference}: name {kind.name!r}: a task's name has small letters, digits and single dashes")
    if kind.name in TASKS.builtin():
        raise BadInput(f"{reference}: {kind.name} is a task of the suite: give your own another name")
    if inspect.isabstract(kind):
        missing = ", ".join(f"`{name}`" for name in sorted(kind.__abstractmethods__))
        raise BadInput(f"{reference}: class {kind.__name__} has no {missing}: write what is missing, or see ColumnTask")
    metric, output = (getattr(kind, name, None) for name in ("metric", "output"))
    if not isinstance(metric, property) and metric not in (None, *METRICS):
        raise BadInput(
            f"{reference}: metric {metric!r}: a task names one of the suite's metrics, {', '.join(METRICS)}; "
            "a new metric is a class of benchmarks/metrics"
        )
    known = get_args(get_type_hints(Task)["output"])
    if not isinstance(output, property) and output not in (None, *known):
        raise BadInput(f"{reference}: output {output!r}: a task asks for one of {', '.join(known)}")
