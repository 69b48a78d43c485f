"""The contract of a method, checked on a tiny zoo: what `weightbench check` runs, and pytest on every built-in."""

from __future__ import annotations

import contextlib
import dataclasses
import pickle
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from ...methods.contract.method import Method
from ...runtime.errors import BadInput
from ...runtime.files import cache_dir
from ...zoo.build.build_zoo import build_zoo
from ...zoo.networks import symmetry
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Zoo
from ..running.protocols import Alignment, Representation, Supervised, protocol_of
from ..running.symmetry_audit import audit
from ..task.column_task import ColumnTask
from ..task.registry import load_task, task_class
from ..task.task import Task
from .finding import Broken, Finding, examined

TINY_ZOO_IMAGES = 40  # of the tiny zoo, with four networks each
TINY_ZOO_TARGETS = {"numbers": "psnr", "classes": "label"}  # columns of the tiny zoo, for tasks that leave it open
BRIEF_TRAINING = {"epochs": 1, "batch_size": 32, "warmup_steps": 0, "patience": 0}
TOLERANCE = 1e-4  # of an output's standard deviation: more than rounding


def tiny_zoo() -> Zoo:
    """digits-inrs of a few images, built once."""
    return build_zoo(
        "digits-inrs",
        limit=TINY_ZOO_IMAGES,
        device="cpu",
        out=cache_dir() / "check" / f"digits-inrs-{TINY_ZOO_IMAGES}",
        wait=True,
    )


def brief(method: Method, *, keep: Collection[str] = ()) -> Method:
    """The method with a short training: one epoch of small batches, but for the fields in `keep`."""
    known = {field.name for field in dataclasses.fields(method)}
    wanted = {name: value for name, value in BRIEF_TRAINING.items() if name in known and name not in keep}
    short = {name: min(value, getattr(method, name)) for name, value in wanted.items()}
    return dataclasses.replace(method, **short)


def tasks_for(method: Method, zoo: Zoo) -> list[Task]:
    """The supported tasks that the zoo can ask, under every protocol that the method has verbs for.

    A task of the family of `property` is asked as that, of a column of the kind that it takes; the representation
    protocol fits without targets, so that one task stands for all. Raises BadInput for a name that is no task.
    """
    found: list[tuple[str, str | None, Literal["supervised", "representation"]]] = []
    for name in method.tasks:
        kind, target = task_class(name), None
        if issubclass(kind, ColumnTask) and not kind.fixed_target:
            name, target = "property", TINY_ZOO_TARGETS[kind.kinds[-1]]
        if method.has("align" if getattr(kind, "output", None) == "permutations" else "predict"):
            found.append((name, target, "supervised"))
        if (
            issubclass(kind, ColumnTask)
            and method.has("transform")
            and not any("representation" in one for one in found)
        ):
            found.append((name, target, "representation"))
    tasks = []
    for name, target, protocol in dict.fromkeys(found):
        with contextlib.suppress(BadInput):  # other tasks need what the zoo does not have
            tasks.append(load_task(name, zoo, target=target, protocol=protocol))
    return tasks


def check_method(method: Method, zoo: Zoo) -> Iterator[Finding]:
    """Fit `method` on every task of `tasks_for` and check what it keeps; a crash is a finding too."""
    for task in tasks_for(method, zoo):
        trial = Trial(task, method)
        for name, test in {"fit": Trial.fitted, **CHECKS}.items():
            found = examined(task.title, name, partial(test, trial))
            yield found
            if name == "fit" and not found.kept:
                break


class Trial:
    """A method on a task, fitted when first asked."""

    def __init__(self, task: Task, method: Method) -> None:
        self.task, self.method = task, method
        self._fitted: Supervised | Representation | Alignment | None = None

    def fitted_again(self) -> Supervised | Representation | Alignment:
        """A fresh copy of the method, fitted with the same seed."""
        protocol = protocol_of(self.task)(self.task, dataclasses.replace(self.method))
        protocol.fit(seed=0, device="cpu")
        return protocol

    def fitted(self) -> Supervised | Representation | Alignment:
        """The method, fitted."""
        if self._fitted is None:
            self._fitted = self.fitted_again()
        return self._fitted

    @property
    def inputs(self) -> Any:
        """What it is asked about: the test networks of the first architecture."""
        return self.fitted().asked(self.task.splits["test"])[0]

    @property
    def plain(self) -> Any:
        """What it says about them."""
        return self.fitted().output(self.inputs)


def seen(output: Any) -> Tensor:
    """An output as one tensor `[B, ...]`."""
    tensor: Tensor = output.params if isinstance(output, Networks) else output
    return tensor


def differ(one: Any, other: Any) -> float:
    """Largest difference, in standard deviations of the first."""
    a, b = seen(one).double(), seen(other).double()
    return float((a - b).abs().max() / a.std().clamp(min=1e-12))


def shapes(trial: Trial) -> None:
    """One output per network, of the task's kind and shape, finite; one network and none work, or are refused."""
    many = seen(trial.plain)
    for count in (1, 0):
        try:
            found = seen(trial.fitted().output(trial.inputs[:count]))
        except BadInput:
            continue
        if len(found) != count:
            raise Broken(f"{len(found)} outputs for {count} networks")
    if not torch.isfinite(many).all():
        raise Broken("outputs are NaN or infinite")


def company(trial: Trial) -> None:
    """An output does not depend on the order of the networks, nor on how many come with it."""
    inputs, plain = trial.inputs, seen(trial.plain)
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))
    if (moved := differ(plain[order], trial.fitted().output(inputs[order]))) > TOLERANCE:
        raise Broken(f"in another order outputs change by {moved:.2g} of their deviation")
    if (
        moved := differ(plain, torch.cat([seen(trial.fitted().output(inputs[[i]])) for i in range(len(inputs))]))
    ) > TOLERANCE:
        raise Broken(
            f"one by one, outputs change by {moved:.2g} of their deviation: no statistics over a batch in predict"
        )


def seed(trial: Trial) -> None:
    """A seed decides the outcome, and `fit` leaves the caller's random state alone."""
    trial.fitted()
    with torch.random.fork_rng():
        torch.manual_seed(271828)
        state = torch.random.get_rng_state()
        again = trial.fitted_again()
        changed = not torch.equal(torch.random.get_rng_state(), state)
    if changed:
        raise Broken("fit changes the global random state: draw from a generator, or inside torch.random.fork_rng")
    if (moved := differ(trial.plain, again.output(trial.inputs))) > TOLERANCE:
        raise Broken(f"a second fit with the same seed differs by {moved:.2g} of the outputs' deviation")


def symmetries(trial: Trial) -> None:
    """Declared symmetries hold; edits move along with the neurons."""
    fitted = trial.fitted()
    if isinstance(fitted, Alignment) or trial.method.reads:
        return
    report = audit(fitted, trial.task.splits["test"], seed=0)
    for kind in trial.method.symmetries:
        if (change := getattr(report, kind)) is not None and change > TOLERANCE:
            raise Broken(f"declares {kind} symmetry, but outputs change by {change:.2g} of their spread")
    networks, edited = trial.inputs, trial.plain
    if isinstance(edited, Networks) and "permutation" in trial.method.symmetries:
        order = symmetry.sample(networks.arch, "permutation", len(networks), torch.Generator().manual_seed(1))
        if (moved := differ(edited.permuted(order), trial.fitted().output(networks.permuted(order)))) > TOLERANCE:
            raise Broken(f"edits do not move with the neurons: they change by {moved:.2g} of their deviation")


def round_trip(trial: Trial) -> None:
    """A fitted method can be pickled, and answers the same afterwards."""
    there = pickle.loads(pickle.dumps(trial.fitted().method))
    protocol = protocol_of(trial.task)(trial.task, there)
    if (moved := differ(trial.plain, protocol.output(trial.inputs))) > 0:
        raise Broken(f"after a round trip through pickle outputs differ by {moved:.2g} of their deviation")


def failure(trial: Trial) -> None:
    """A network with NaN is refused or gets NaN, and spoils no other."""
    if not isinstance(trial.inputs, Networks):
        return
    params = trial.inputs.params.clone()
    params[3] = torch.nan
    method = trial.fitted().method
    try:
        verb = method.transform if trial.task.options.protocol == "representation" else method.predict
        found = seen(verb(Networks(trial.inputs.arch, params)))
    except BadInput:
        return
    if torch.isfinite(found[3]).all():
        raise Broken("a network with NaN weights is answered as if nothing were wrong")
    others = torch.arange(len(found)) != 3
    if (moved := differ(seen(trial.plain)[others], found[others])) > TOLERANCE:
        raise Broken(f"a network with NaN weights changes the answers to others by {moved:.2g} of their deviation")


CHECKS: dict[str, Callable[[Trial], Any]] = {
    "shapes": shapes,
    "order and batch size": company,
    "seed": seed,
    "symmetries": symmetries,
    "round trip": round_trip,
    "bad input": failure,
}
