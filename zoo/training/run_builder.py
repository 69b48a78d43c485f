"""Training runs with checkpoints: snapshot zoos (every epoch) and populations over hyperparameters (a few epochs)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ...runtime.errors import BadInput
from ..networks.architecture import Architecture
from ..recipes.raw_data import Source
from ..recipes.run_recipe import RunRecipe
from ..recipes.splits import Parts, split_runs, within_run
from .initialisation import initial_params
from .network_scores import score_name
from .run_evaluation import RunEvaluator
from .trainer import Trainer, TrainingSettings, TrainingState
from .training_runs import RandomStream, Run, run_rng
from .zoo_builder import Arrays

SEGMENT_EPOCHS = 25  # the maximum that an interrupted build loses


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
        """The table's columns with their meaning."""
        unit = {"r2": "coefficient of determination", "accuracy": "accuracy, 0 to 1"}[self._score]
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
            f"train_{self._score}": f"{unit}, on the same items",
            "test_loss": "mean loss over the test items",
            f"test_{self._score}": f"{unit}, on the test items",
            "params": "weights and biases in state-dict order",
        }
        if self.recipe.checkpoints is None:
            columns["within_run"] = "split under `within-run`: epochs of one run on all sides, which leaks"
        return columns

    @property
    def _score(self) -> str:
        return score_name(self.recipe.loss)

    @cached_property
    def evaluator(self) -> RunEvaluator:
        """What measures the networks."""
        return RunEvaluator(self.recipe, self.sources, self.device)

    @property
    def runs(self) -> list[Run]:
        """Every run of the recipe."""
        return self.evaluator.runs

    @cached_property
    def parts(self) -> Parts:
        """The numbers of each split's runs."""
        return split_runs(self.sizes, [run["variant"] for run in self.runs], self.limit)

    @cached_property
    def architectures(self) -> dict[str, Architecture]:
        """The architectures that any run of the build has."""
        used = {run["variant"] for runs in self.members.values() for run in runs}
        return {name: arch for name, arch in self.recipe.architectures.items() if name in used}

    @cached_property
    def members(self) -> dict[str, list[Run]]:
        """The runs of each split, by number."""
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
        """Stretches of `SEGMENT_EPOCHS` epochs, the last of which may be shorter."""
        return -(-self.recipe.epochs // SEGMENT_EPOCHS)

    @property
    def networks(self) -> int:
        """Runs times checkpoints."""
        return sum(map(len, self.members.values())) * len(self.recipe.kept_epochs)

    @property
    def engine(self) -> str:
        """What trained by now: "eager" once compiling has failed for any architecture."""
        return "eager" if any(t.engine == "eager" for t in self._trainers.values()) else self.compiler

    @cached_property
    def _trainers(self) -> dict[str, Trainer]:
        return {}

    def _trainer(self, variant: str) -> Trainer:
        if variant not in self._trainers:
            dropout = self.recipe.hyperparameters.dropout != 0.0
            self._trainers[variant] = Trainer(
                self.recipe.architectures[variant], self.recipe.loss, engine=self.compiler, dropout=dropout
            )
        return self._trainers[variant]

    def initial(self, runs: list[Run]) -> np.ndarray:
        """Initial parameters `[len(runs), P]`, each from (seed, run) alone."""
        rows = []
        for run in runs:
            rng = run_rng(self.recipe, RandomStream.INIT, run.number)
            arch = self.recipe.architectures[run["variant"]]
            rows.append(initial_params(arch, run["init"], rng, std=run["init_std"]))
        return np.stack(rows)

    def fit(self, chunk: list[Run], segment: int, state: Arrays, advance: Callable[..., None]) -> tuple[Arrays, Arrays]:
        """Train the epochs of one segment; returns rows `[len(chunk), checkpoints, ...]` and the optimiser's state."""
        padded = chunk + chunk[:1] * (self.chunk - len(chunk))
        trainer, data = self._trainer(chunk[0]["variant"]), self.evaluator.data(chunk[0])
        settings = self._settings(padded)
        items = len(data.part("train", chunk[0]["train_fraction"])[0])
        if items < self.recipe.batch_size:
            raise BadInput(f"batch_size {self.recipe.batch_size} is more than the {items} training items of a run")
        if state:
            params, mean, square = (torch.from_numpy(state[n]).to(self.device) for n in ("params", "mean", "square"))
            now = TrainingState(params, mean, square, int(state["steps"][0]))
        else:
            now = TrainingState.start(torch.from_numpy(self.initial(padded)).to(self.device))
        rows: dict[str, list[np.ndarray]] = defaultdict(list)
        kept = set(self.recipe.kept_epochs)
        for epoch in range(segment * SEGMENT_EPOCHS, min((segment + 1) * SEGMENT_EPOCHS, self.recipe.epochs) + 1):
            if epoch > segment * SEGMENT_EPOCHS:
                for index in self._batches(padded, epoch, items):
                    now = trainer.step(now, settings, data.inputs, data.targets, index)
            elif segment:
                continue  # the last epoch of the segment before
            if epoch in kept:
                params = now.params[: len(chunk)]
                scores = self.evaluator.evaluate(params, chunk[0])
                arrays = {"params": params.cpu().numpy(), **scores, "epoch": np.full(len(chunk), epoch)}
                for name, values in arrays.items():
                    rows[name].append(values)
                advance(len(chunk), f"{np.median(scores[f'test_{self._score}']):.3f} {self._score} on test")
        after = {"params": now.params, "mean": now.mean, "square": now.square, "steps": torch.tensor([now.steps])}
        return (
            {name: np.stack(values, 1) for name, values in rows.items()},
            {name: value.cpu().numpy() for name, value in after.items()},
        )

    def _settings(self, runs: list[Run]) -> TrainingSettings:
        return TrainingSettings(
            len(runs),
            optimizer=[run["optimizer"] for run in runs],
            lr=[run["lr"] for run in runs],
            weight_decay=[run["weight_decay"] for run in runs],
            dropout=[run["dropout"] for run in runs],
            keys=[int(run_rng(self.recipe, RandomStream.DROPOUT, run.number).integers(2**63)) for run in runs],
        )

    def _batches(self, runs: list[Run], epoch: int, n: int) -> Tensor:
        """Item numbers of every batch of an epoch, `[batches, len(runs), batch_size]`, each run in its own order."""
        size = self.recipe.batch_size
        whole = n // size * size
        rngs = [run_rng(self.recipe, RandomStream.BATCH_ORDER, run.number, epoch) for run in runs]
        orders = np.stack([rng.permutation(n)[:whole] for rng in rngs])
        return torch.from_numpy(orders.reshape(len(runs), -1, size)).transpose(0, 1).contiguous().to(self.device)

    def architecture(self, member: Run) -> str:
        """The run's variant."""
        return str(member["variant"])

    def describe(self, members: list[Run], rows: list[Arrays]) -> tuple[pd.DataFrame, Arrays]:
        """The table's rows, one per checkpoint, and `params [networks, P]`."""
        tables = [self._table(run, arrays) for run, arrays in zip(members, rows, strict=True)]
        return pd.concat(tables, ignore_index=True), {"params": np.concatenate([row["params"] for row in rows])}

    def _table(self, run: Run, arrays: Arrays) -> pd.DataFrame:
        chosen = dict(run.hyperparameters)
        if chosen["init"] not in ("random-normal", "truncated-normal"):
            chosen["init_std"] = np.nan
        epochs = arrays["epoch"]
        about = {"id": [f"{run.number:05d}-{epoch:03d}" for epoch in epochs], "run": run.number, "epoch": epochs}
        table = pd.DataFrame(about).assign(**chosen)
        for name, values in arrays.items():
            if name not in ("epoch", "params"):
                table[name] = values
        if self.recipe.checkpoints is None:
            labels = within_run(run.number, self.recipe.epochs + 1)
            table["within_run"] = [labels[epoch] for epoch in epochs]
        return table

    def quality(self, table: pd.DataFrame) -> dict[str, float]:
        """Quantiles of the final networks' test score."""
        score = f"test_{self._score}"
        final = table.loc[table["epoch"] == self.recipe.kept_epochs[-1], score]
        quantiles = {"p10": 0.1, "median": 0.5, "p90": 0.9}
        return {f"final_{score}_{name}": round(float(final.quantile(q)), 4) for name, q in quantiles.items()}
