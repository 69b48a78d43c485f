"""The contract of a task, checked on a zoo: what `weightbench check` runs for a task, and pytest on every built-in."""

from __future__ import annotations

import itertools
import pickle
import tempfile
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from ...methods.contract.method import Method
from ...runtime.errors import BadInput
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split
from ..metrics.metric import Evaluation
from ..metrics.scoring import evaluate
from ..records.predictions import Arrays, read_predictions, write_predictions
from ..records.result import same_score
from ..records.truth import Truth, write_truth
from ..running.plan_cells import task_part
from ..running.protocols import protocol_of
from ..running.task_views import BadOutput, Sealed
from ..task.learned_task import LearnedTask
from ..task.network_pairs import Pairs, neurons
from ..task.task import Task
from .finding import Broken, Finding, examined

UNITS = ("item", "run")  # columns that say which networks belong together
NO_CHANCE = 1 - 1e-6  # a correlation that only a copy has, of
FEWEST_TOLD = 10  # different values, or networks of classes
MOST_TOLD = 1000  # networks among which a copied target is looked for
ROUNDING = 1e-6


def check_task(task: Task) -> Iterator[Finding]:
    """Check what a task keeps on its zoo; a crash is a finding too."""
    trial = Trial(task)
    for name, test in (CHECKS | (ANSWER_CHECKS if trial.is_answered else UNTOUCHED_CHECKS)).items():
        yield examined(task.title, name, partial(test, trial))


class Silent(Method):
    """Nobody: answers are made up, not asked for."""

    name, tasks = "silent", ()


class Trial:
    """A task, and answers to it that are scored as the board scores: from files alone."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @cached_property
    def test(self) -> Split:
        """What is asked about."""
        return self.task.splits["test"]

    @property
    def is_answered(self) -> bool:
        """Whether answers can be made up: logits and values, whose targets are what a perfect answer is."""
        return isinstance(self.task, LearnedTask) and self.task.output in ("logits", "values")

    @cached_property
    def learned(self) -> LearnedTask:
        """The task, which has targets."""
        assert isinstance(self.task, LearnedTask)
        return self.task

    @cached_property
    def targets(self) -> Tensor:
        """Those of the test split."""
        return self.learned.targets(self.test)

    @cached_property
    def perfect(self) -> Tensor:
        """The targets themselves, as an output `[N, output_dim]`."""
        if self.task.output == "values":
            return self.targets.float()
        return torch.nn.functional.one_hot(self.targets, self.learned.output_dim).float()

    @property
    def answers(self) -> dict[str, Tensor]:
        """The other outputs: one for all, and random ones."""
        random = torch.randn(self.perfect.shape, generator=torch.Generator().manual_seed(0))
        return {"constant": torch.zeros_like(self.perfect), "random": random}

    def evidence(self, output: Tensor | None) -> Arrays:
        """What is stored of an output, row by row as the test split is; None leaves networks and neurons alone."""
        inputs = self.task.inputs(self.test)
        protocol = protocol_of(self.task)(self.task, Silent())
        outputs: list[Any] = (
            [_untouched(batch) for batch in inputs]
            if output is None
            else list(torch.split(output, [len(batch) for batch in inputs]))
        )
        if output is not None:  # nobody was asked about the training networks either
            protocol.scaler = StandardScaler().fit(output.double().numpy())
        return self.task.evidence(protocol.judged(outputs, self.test.table), self.test)

    def from_files(self, arrays: Arrays, ids: list[str] | None = None) -> Evaluation:
        """The scores of stored arrays, read again with nothing but the truth. Raises BadInput."""
        with tempfile.TemporaryDirectory() as folder:
            file, truth = Path(folder) / "answers.safetensors", Path(folder) / "truth.parquet"
            sha256 = write_predictions(file, self.task.ids(self.test) if ids is None else ids, arrays)
            write_truth(truth, self.task.zoo)
            return evaluate(task_part(self.task), *read_predictions(file, sha256), Truth(truth))

    def scored(self, output: Tensor | None) -> tuple[float, tuple[float, float]]:
        """The headline score of an output, and the metric's bounds. Raises Broken where it is outside these."""
        found = self.from_files(self.evidence(output))
        score, (low, high) = found.scores[self.task.metric], found.items.bounds or (-np.inf, np.inf)
        if not np.isfinite(score) or not low - ROUNDING <= score <= high + ROUNDING:
            raise Broken(f"{self.task.metric} is {score:.4g}, outside {low:g} to {high:g}")
        return score, (low, high)


def _untouched(batch: Any) -> Any:
    """Networks as they are; the neurons of pairs in the order they are in, `[B, neurons]`."""
    if not isinstance(batch, Pairs):
        return batch
    order = torch.cat([torch.arange(size) for size in neurons(batch.arch)])
    return order.expand(len(batch), -1)


def options(trial: Trial) -> None:
    """Options, once resolved, resolve to themselves: records and other processes make the task from them again."""
    task = trial.task
    again = type(task)(task.zoo, task.options)
    if again.options != task.options:
        raise Broken(f"made again from its options {task.options!r}, it has {again.options!r}")


def splits(trial: Trial) -> None:
    """Train, val and test share no network, and no image or run but where `within-run` is asked for."""
    found = trial.task.splits
    if {name: split.name for name, split in found.items()} != {name: name for name in ("train", "val", "test")}:
        raise Broken(f"has the splits {', '.join(found)}, expected train, val and test")
    columns = ["id"] + [name for name in UNITS if trial.task.options.split != "within-run"]
    for (one, a), (other, b) in itertools.combinations(found.items(), 2):
        for column in columns:
            if column in a.table and column in b.table and (shared := set(a.table[column]) & set(b.table[column])):
                raise Broken(f"{len(shared)} values of {column} are in {one} and in {other}, such as {min(shared)}")


def inputs(trial: Trial) -> None:
    """What methods are asked about are weights of the zoo's architectures that do not hold the target, in the order of
    the ids; `fit` does not get the targets of test."""
    task, ids, batches = trial.task, trial.task.ids(trial.test), trial.task.inputs(trial.test)
    if sum(map(len, batches)) < len(ids) or len(set(ids)) != len(ids) or not set(ids) <= set(trial.test.ids):
        raise Broken(f"asks about {sum(map(len, batches))} networks and names {len(set(ids))} of the test split")
    for batch in batches:
        if not isinstance(batch, Networks | Pairs) or batch.arch not in task.architectures:
            raise Broken(f"asks about {type(batch).__name__}, expected networks of the zoo's architectures")
    if not isinstance(task, LearnedTask):
        return
    try:
        Sealed(task).targets(trial.test)
        raise Broken("fit gets the targets of the test split")
    except BadOutput:
        pass
    if trial.is_answered:
        for batch, targets in zip(batches, torch.split(trial.targets, [len(one) for one in batches]), strict=True):
            copied = _classes_copied if task.output == "logits" else _values_copied
            if len(places := copied(batch[:MOST_TOLD].params, targets[:MOST_TOLD]).nonzero()):
                raise Broken(f"parameter {places[0].item()} of the networks asked about is the target")


def _values_copied(params: Tensor, targets: Tensor) -> Tensor:
    """Which parameters `[P]` are the target up to scale and shift."""
    x, y = params.double() - params.double().mean(0), targets.double()[:, :1] - targets.double()[:, :1].mean()
    if len(y.unique()) < FEWEST_TOLD:
        return torch.zeros(params.shape[1], dtype=torch.bool)
    copied: Tensor = (x * y).sum(0).abs() > NO_CHANCE * x.norm(dim=0) * y.norm()
    return copied


def _classes_copied(params: Tensor, targets: Tensor) -> Tensor:
    """Which parameters `[P]` are one number within every class, and not the same for all."""
    groups = [params[targets == target] for target in targets.unique()]
    if len(targets) < FEWEST_TOLD:
        return torch.zeros(params.shape[1], dtype=torch.bool)
    firsts = torch.stack([group[0] for group in groups])
    constant = torch.stack([(group == group[0]).all(0) for group in groups]).all(0)
    return constant & (firsts != firsts[0]).any(0)


def targets(trial: Trial) -> None:
    """There is one finite target for each network; the loss is a finite number that an output can be trained by."""
    if not isinstance(trial.task, LearnedTask):
        return
    task = trial.learned
    for name, split in task.splits.items():
        found = task.targets(split)
        if len(found) != len(split) or not torch.isfinite(found.double()).all():
            raise Broken(f"{len(found)} targets for the {len(split)} networks of {name}, or some are not finite")
    if not trial.is_answered:
        return
    shape, dim = tuple(trial.targets.shape), task.output_dim
    wanted: tuple[int, ...] = (len(trial.test),) if task.output == "logits" else (len(trial.test), dim)
    if shape != wanted:
        raise Broken(f"targets of test have the shape {shape}, expected {wanted} for {task.output}")
    if task.output == "logits" and not 0 <= trial.targets.min() <= trial.targets.max() < dim:
        raise Broken(f"classes of test are {trial.targets.min()} to {trial.targets.max()}, output_dim is {dim}")
    output = trial.answers["random"].requires_grad_()
    loss = task.loss(output, trial.targets)
    if loss.ndim or not torch.isfinite(loss):
        raise Broken(f"the loss of random answers is {loss.tolist()}, expected one finite number")
    (slope,) = torch.autograd.grad(loss, output)
    if not slope.any():
        raise Broken("the loss has no slope at random answers")


def untouched(trial: Trial) -> None:
    """Networks and neurons left as they are can be scored from files alone, within the metric's bounds."""
    trial.scored(None)


def round_trip(trial: Trial) -> None:
    """The task travels to another process, and asks the same there."""
    again = pickle.loads(pickle.dumps(trial.task))
    if task_part(again) != task_part(trial.task) or again.ids(again.splits["test"]) != trial.task.ids(trial.test):
        raise Broken("after a round trip through pickle it is another task")
    if trial.is_answered and not torch.equal(again.targets(again.splits["test"]), trial.targets):
        raise Broken("after a round trip through pickle its targets are others")


def perfect(trial: Trial) -> None:
    """The targets themselves have the best score there is."""
    score, (low, high) = trial.scored(trial.perfect)
    best = high if trial.task.higher_is_better else low
    if not np.isfinite(best):  # then it is what the metric says of the targets against themselves
        best = trial.learned.quality(trial.learned.observe(trial.perfect), trial.targets)
    if not same_score(score, best):
        raise Broken(f"perfect answers have {trial.task.metric} {score:.6g}, the best is {best:.6g}")


def others(trial: Trial) -> None:
    """Constant and random answers are scored within the metric's bounds, and below perfect ones."""
    (best, _), sign = trial.scored(trial.perfect), 1 if trial.task.higher_is_better else -1
    for name, output in trial.answers.items():
        score, _ = trial.scored(output)
        if sign * score > sign * best - ROUNDING:
            raise Broken(f"{name} answers have {trial.task.metric} {score:.6g}, as good as perfect ones ({best:.6g})")


def from_files(trial: Trial) -> None:
    """What is stored is all that a score takes: it is the one that training chooses by, from files alone."""
    output = trial.answers["random"]
    (score, _), chosen = trial.scored(output), trial.learned.quality(trial.learned.observe(output), trial.targets)
    knows_more = trial.task.options.split == "within-run" or trial.task.compares_embeddings  # whose run is which
    if not knows_more and not same_score(score, chosen):
        raise Broken(f"stored answers have {trial.task.metric} {score:.6g}, the task's own `quality` is {chosen:.6g}")


def bad_answers(trial: Trial) -> None:
    """NaN, a column too many, a network left out or named twice: refused in one line."""
    output, ids = trial.answers["random"], trial.task.ids(trial.test)
    unknown = output.clone()
    unknown[0] = torch.nan
    wide = torch.cat([output, output[:, :1]], 1)
    arrays = trial.evidence(output)
    short = {name: values[:-1] for name, values in arrays.items()}
    cases: dict[str, Callable[[], object]] = {
        "NaN": lambda: trial.scored(unknown),
        "a column too many": lambda: trial.scored(wide),
        "a network left out": lambda: trial.from_files(short, ids[:-1]),
        "a network named twice": lambda: trial.from_files(arrays, [*ids[:-1], ids[0]]),
    }
    if trial.task.compares_embeddings:  # of any width
        del cases["a column too many"]
    for name, case in cases.items():
        try:
            case()
        except (BadInput, BadOutput) as error:
            if "\n" in str(error):
                raise Broken(f"{name} is refused in several lines") from None
        except Exception as error:
            raise Broken(f"{name} is no one line but a {type(error).__name__}: {error}") from None
        else:
            raise Broken(f"{name} is scored as if nothing were wrong")


CHECKS: dict[str, Callable[[Trial], object]] = {
    "options": options,
    "splits": splits,
    "inputs": inputs,
    "targets": targets,
    "round trip": round_trip,
}
UNTOUCHED_CHECKS: dict[str, Callable[[Trial], object]] = {"as they are": untouched}
ANSWER_CHECKS: dict[str, Callable[[Trial], object]] = {
    "perfect answers": perfect,
    "other answers": others,
    "from files alone": from_files,
    "bad answers": bad_answers,
}
