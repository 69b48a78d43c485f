"""Training runs with checkpoints: snapshot zoos (every epoch) and populations over hyperparameters (a few epochs)."""

from __future__ import annotations

import itertools
import math
import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from .architecture import Architecture
from .builder import Arrays
from .errors import BadInput
from .fit import Settings, State, Trainer
from .functional import evaluate
from .initial import initial_params
from .networks import Networks
from .recipes import Draw, RunRecipe
from .sources import Source
from .splits import SPLIT_SEED, Parts, split_runs, within_run

SEGMENT_EPOCHS = 25  # an interrupted build loses at most that many
EVALUATED_VALUES = 2**24  # of the largest layer, over all networks and items evaluated at once

INIT, DRAW, ORDER, DROPOUT = range(4)  # random streams of a run


@dataclass(frozen=True)
class Run:
    """One training run; its networks are the run's checkpoints."""

    number: int
    settings: tuple[tuple[str, Any], ...]

    def __getitem__(self, name: str) -> Any:
        return dict(self.settings)[name]


def plan_runs(recipe: RunRecipe, sources: list[str]) -> list[Run]:
    """Every run of a recipe with its hyperparameters: the grid's points, `repeats` times; the drawn ones of each run
    depend on (seed, run, name) alone."""
    axes = recipe.axes(sources)
    runs: list[Run] = []
    for _ in range(recipe.repeats):
        for point in itertools.product(*axes.values()):
            settings = dict(zip(axes, point, strict=True))
            for name, value in recipe.hyperparameters:
                if isinstance(value, Draw):
                    stream = zlib.crc32(name.encode())
                    settings[name] = value.sample(np.random.default_rng([recipe.seed, DRAW, len(runs), stream]))
                else:
                    settings.setdefault(name, value)
            ordered = tuple((name, settings[name]) for name, _ in recipe.hyperparameters)
            runs.append(Run(len(runs), ordered))
    return runs


class Data:
    """One source, prepared for training: items in a fixed order, inputs and targets scaled.

    Images go to [-1, 1]; features, and values to regress, to mean 0 and standard deviation 1 over the training items.
    Where the source has no test items of its own, they are the last of the shuffled order.
    """

    def __init__(self, source: Source, recipe: RunRecipe, shape: tuple[int, ...], device: str) -> None:
        total = len(source.inputs)
        pool = np.random.default_rng(SPLIT_SEED).permutation(total - source.n_test)
        own_test = total - source.n_test + np.random.default_rng(SPLIT_SEED).permutation(source.n_test)
        n_test = min(recipe.test_items, source.n_test or total // 2)
        n_train = min(recipe.train_items, len(pool) if source.n_test else total - n_test)
        train, test = pool[:n_train], own_test[:n_test] if source.n_test else pool[-n_test:]
        used = np.concatenate([train, test])
        inputs = source.inputs[used].astype(np.float32)
        if source.image_max:
            inputs = inputs / np.float32(source.image_max / 2) - 1
        else:
            inputs = _standardised(inputs, inputs[:n_train])
        targets = source.targets[used]
        if not source.classes:
            targets = _standardised(targets, targets[:n_train]).astype(np.float32)[:, None]
        tensor = torch.from_numpy(np.ascontiguousarray(inputs))
        if inputs[0].size != math.prod(shape):
            raise BadInput(f"source {source.name} has items of shape {inputs.shape[1:]}, the networks take {shape}")
        if len(shape) == 3:  # stored with the channels last, which convolutions on CPUs prefer
            tensor = tensor.view(len(used), *shape[1:], shape[0]).permute(0, 3, 1, 2)
        else:
            tensor = tensor.reshape(len(used), *shape)
        self.n_train = n_train
        self.inputs, self.targets = tensor.to(device), torch.from_numpy(targets).to(device)

    def part(self, name: str, fraction: float) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the training items (the first `fraction` of them) or of the test items."""
        span = slice(0, round(self.n_train * fraction)) if name == "train" else slice(self.n_train, None)
        return self.inputs[span], self.targets[span]


def _standardised(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    train = train.astype(np.float64)
    deviation = train.std(0)
    return ((values - train.mean(0)) / np.where(deviation > 0, deviation, 1)).astype(np.float32)


@dataclass(frozen=True)
class RunBuilder:
    """Trains the runs of a zoo; see `INRBuilder` for the common arguments."""

    recipe: RunRecipe
    sources: dict[str, Source]
    sizes: dict[str, int]
    limit: int | None
    chunk: int
    device: str
    compiler: str

    @property
    def columns(self) -> dict[str, str]:
        score, unit = ("r2", "coefficient of determination") if self._regression else ("accuracy", "accuracy, 0 to 1")
        columns = {
            "id": "run and epoch; stable over builds",
            "run": "number of the training run",
            "epoch": "epochs trained; 0 is the initial state",
            "variant": "architecture",
            "source": "data set that the run was trained on",
            "optimizer": "adam, sgd (momentum 0.9) or rmsprop (decay 0.9)",
            "lr": "learning rate",
            "weight_decay": "lambda in lambda / 2 times the sum of squared weights",
            "dropout": "probability of dropping a hidden unit in training",
            "init": "initialisation",
            "init_std": "standard deviation of the initialisation, where it has one",
            "train_fraction": "share of the training items that the run saw",
            "train_loss": "mean loss over the training items that the run saw, without dropout",
            f"train_{score}": f"{unit}, on the same items",
            "test_loss": "mean loss over the test items",
            f"test_{score}": f"{unit}, on the test items",
            "params": "weights and biases in state-dict order",
        }
        if self.recipe.checkpoints is None:
            columns["within_run"] = "split under `within-run`: epochs of one run on all sides, which leaks"
        return columns

    @property
    def _regression(self) -> bool:
        return self.recipe.loss == "mse"

    @cached_property
    def runs(self) -> list[Run]:
        return plan_runs(self.recipe, list(self.sources))

    @cached_property
    def parts(self) -> Parts:
        return split_runs(self.sizes, [run["variant"] for run in self.runs], self.limit)

    @cached_property
    def architectures(self) -> dict[str, Architecture]:
        used = {run["variant"] for runs in self.members.values() for run in runs}
        return {name: arch for name, arch in self.recipe.architectures.items() if name in used}

    @cached_property
    def members(self) -> dict[str, list[Run]]:
        return {split: [self.runs[number] for number in sorted(numbers)] for split, numbers in self.parts.items()}

    @cached_property
    def chunks(self) -> list[list[Run]]:
        """Runs that take equal steps on equal data."""
        alike = defaultdict(list)
        for run in sorted((run for runs in self.members.values() for run in runs), key=lambda run: run.number):
            alike[run["variant"], run["source"], run["train_fraction"]].append(run)
        return [runs[i : i + self.chunk] for runs in alike.values() for i in range(0, len(runs), self.chunk)]

    @property
    def segments(self) -> int:
        return -(-self.recipe.epochs // SEGMENT_EPOCHS)

    @property
    def networks(self) -> int:
        return sum(map(len, self.members.values())) * len(self.recipe.kept_epochs)

    @property
    def engine(self) -> str:
        return "eager" if any(t.engine == "eager" for t in self._trainers.values()) else self.compiler

    @cached_property
    def _trainers(self) -> dict[str, Trainer]:
        return {}

    @cached_property
    def _data(self) -> dict[tuple[str, tuple[int, ...]], Data]:
        return {}

    def _trainer(self, variant: str) -> Trainer:
        if variant not in self._trainers:
            dropout = self.recipe.hyperparameters.dropout != 0.0
            self._trainers[variant] = Trainer(
                self.recipe.architectures[variant], self.recipe.loss, engine=self.compiler, dropout=dropout
            )
        return self._trainers[variant]

    def data(self, run: Run) -> Data:
        shape = self.recipe.architectures[run["variant"]].input_shape
        key = (run["source"], shape)
        if key not in self._data:
            self._data[key] = Data(self.sources[run["source"]], self.recipe, shape, self.device)
        return self._data[key]

    def initial(self, runs: list[Run]) -> np.ndarray:
        """Initial parameters `[len(runs), P]`, each from (seed, run) alone."""
        rows = []
        for run in runs:
            rng = np.random.default_rng([self.recipe.seed, INIT, run.number])
            arch = self.recipe.architectures[run["variant"]]
            rows.append(initial_params(arch, run["init"], rng, std=run["init_std"]))
        return np.stack(rows)

    def fit(self, chunk: list[Run], segment: int, state: Arrays, advance: Callable[..., None]) -> tuple[Arrays, Arrays]:
        """Train the epochs of one segment; returns rows `[len(chunk), checkpoints, ...]` and the optimiser's state."""
        padded = chunk + chunk[:1] * (self.chunk - len(chunk))
        trainer, data = self._trainer(chunk[0]["variant"]), self.data(chunk[0])
        settings = self._settings(padded)
        items = len(data.part("train", chunk[0]["train_fraction"])[0])
        if items < self.recipe.batch_size:
            raise BadInput(f"batch_size {self.recipe.batch_size} is more than the {items} training items of a run")
        if state:
            params, mean, square = (torch.from_numpy(state[n]).to(self.device) for n in ("params", "mean", "square"))
            now = State(params, mean, square, int(state["steps"][0]))
        else:
            now = State.start(torch.from_numpy(self.initial(padded)).to(self.device))
        rows: dict[str, list[np.ndarray]] = defaultdict(list)
        kept = set(self.recipe.kept_epochs)
        for epoch in range(segment * SEGMENT_EPOCHS, min((segment + 1) * SEGMENT_EPOCHS, self.recipe.epochs) + 1):
            if epoch > segment * SEGMENT_EPOCHS:
                for index in self._batches(padded, epoch, items):
                    now = trainer.step(now, settings, data.inputs, data.targets, index)
            elif segment:
                continue  # the last epoch of the segment before
            if epoch in kept:
                figures = self._figures(now.params[: len(chunk)], chunk[0])
                for name, values in (figures | {"epoch": np.full(len(chunk), epoch)}).items():
                    rows[name].append(values)
                score = figures[next(name for name in figures if name.startswith("test_") and "loss" not in name)]
                advance(len(chunk), f"{np.median(score):.3f} {'R2' if self._regression else 'accuracy'} on test")
        after = {"params": now.params, "mean": now.mean, "square": now.square, "steps": torch.tensor([now.steps])}
        return (
            {name: np.stack(values, 1) for name, values in rows.items()},
            {name: value.cpu().numpy() for name, value in after.items()},
        )

    def _settings(self, runs: list[Run]) -> Settings:
        return Settings(
            len(runs),
            optimizer=[run["optimizer"] for run in runs],
            lr=[run["lr"] for run in runs],
            weight_decay=[run["weight_decay"] for run in runs],
            dropout=[run["dropout"] for run in runs],
            keys=[int(self._rng(DROPOUT, run).integers(2**63)) for run in runs],
        )

    def _rng(self, stream: int, run: Run, *more: int) -> np.random.Generator:
        return np.random.default_rng([self.recipe.seed, stream, run.number, *more])

    def _batches(self, runs: list[Run], epoch: int, n: int) -> Tensor:
        """Item numbers of every batch of an epoch, `[batches, len(runs), batch_size]`, each run in its own order."""
        size = self.recipe.batch_size
        whole = n // size * size
        orders = np.stack([self._rng(ORDER, run, epoch).permutation(n)[:whole] for run in runs])
        return torch.from_numpy(orders.reshape(len(runs), -1, size)).transpose(0, 1).contiguous().to(self.device)

    @torch.no_grad()
    def _figures(self, params: Tensor, run: Run) -> Arrays:
        """Losses and scores of networks trained like `run`, and their parameters."""
        arch, data = self.recipe.architectures[run["variant"]], self.data(run)
        figures: Arrays = {"params": params.cpu().numpy()}
        for part in ("train", "test"):
            inputs, targets = data.part(part, run["train_fraction"])
            step = max(1, EVALUATED_VALUES // (len(params) * max(map(math.prod, arch.shapes))))
            sums: Tensor | float = 0.0
            for start in range(0, len(inputs), step):
                output = evaluate(arch, params, inputs[start : start + step])[0]
                sums = sums + self._sums(output, targets[start : start + step])
            loss, score = (sums / len(inputs)).cpu().numpy()  # type: ignore[union-attr]
            if self._regression:
                score = 1 - score / targets.double().var(correction=0).item()
            figures[f"{part}_loss"] = np.asarray(loss, np.float32)
            figures[f"{part}_{'r2' if self._regression else 'accuracy'}"] = np.asarray(score, np.float32)
        return figures

    def _sums(self, output: Tensor, targets: Tensor) -> Tensor:
        """Over items, float64 `[2, B]`: losses, and correct answers (or squared errors)."""
        if self._regression:
            errors = (output - targets).double().square().sum((1, 2))
            return torch.stack([errors, errors])
        right = (output.argmax(-1) == targets).double().sum(1)
        labels = targets.expand(output.shape[:2])
        loss = F.cross_entropy(output.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
        return torch.stack([loss.double().sum(1), right])

    def architecture(self, member: Run) -> str:
        return str(member["variant"])

    def describe(self, members: list[Run], rows: list[Arrays]) -> tuple[pd.DataFrame, Arrays]:
        tables = [self._table(run, figures) for run, figures in zip(members, rows, strict=True)]
        return pd.concat(tables, ignore_index=True), {"params": np.concatenate([row["params"] for row in rows])}

    def _table(self, run: Run, figures: Arrays) -> pd.DataFrame:
        settings = dict(run.settings)
        if settings["init"] not in ("random-normal", "truncated-normal"):
            settings["init_std"] = np.nan
        epochs = figures["epoch"]
        about = {"id": [f"{run.number:05d}-{epoch:03d}" for epoch in epochs], "run": run.number, "epoch": epochs}
        table = pd.DataFrame(about).assign(**settings)
        for name, values in figures.items():
            if name not in ("epoch", "params"):
                table[name] = values
        if self.recipe.checkpoints is None:
            labels = within_run(run.number, self.recipe.epochs + 1)
            table["within_run"] = [labels[epoch] for epoch in epochs]
        return table

    def quality(self, table: pd.DataFrame) -> dict[str, float]:
        """Quantiles of the final networks' test score."""
        score = "test_r2" if self._regression else "test_accuracy"
        final = table.loc[table["epoch"] == self.recipe.kept_epochs[-1], score]
        quantiles = {"p10": 0.1, "median": 0.5, "p90": 0.9}
        return {f"final_{score}_{name}": round(float(final.quantile(q)), 4) for name, q in quantiles.items()}

    def rescore(self, networks: Networks, table: pd.DataFrame) -> pd.DataFrame:
        rows = []
        for position, number in enumerate(table["run"]):
            figures = self._figures(networks.params[position : position + 1].to(self.device), self.runs[number])
            rows.append({name: values[0] for name, values in figures.items() if name != "params"})
        return pd.DataFrame(rows)
