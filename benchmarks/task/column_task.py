"""Tasks about a column of a zoo's table: classes where it holds text or labels, values where it holds numbers."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ...runtime.errors import BadInput
from ...zoo.storage.zoo import Split, Zoo
from ..metrics.regression import Regression
from ..metrics.scoring import metric_of
from ..records.predictions import Arrays
from ..records.result import Options
from ..records.truth import class_names, column_values
from .other_zoos import OtherZoosTask

FEWEST_NETWORKS = {"train": 5, "val": 2, "test": 2}  # below that no correlation, and no fifth to hold out


class ColumnTask(OtherZoosTask):
    """The base of every task whose target stands in the table.

    Class attributes:
        fixed_target: the target, where it is not an option.
        kinds: what the target may be.
        metric: where it is not accuracy for classes and Pearson's r for numbers.

    Example:
        >>> import weightbench as wb
        >>> class Psnr(wb.ColumnTask):
        ...     name, description = "psnr", "How well was this image fitted?"
        ...     fixed_target = "psnr"
        >>> task = wb.load_task(Psnr, "digits-inrs")
        >>> task.output, task.metric, task.targets(task.splits["test"]).shape[1]
        ('values', 'pearson-r', 1)
    """

    fixed_target: ClassVar[str | None] = None
    kinds: ClassVar[tuple[str, ...]] = ("classes", "numbers")

    def __init__(self, zoo: Zoo, options: Options | None = None, *others: Zoo) -> None:
        super().__init__(zoo, options, *others)
        self.target: str = self.options.target or self.fixed_target or ""
        self.classes = class_names(self.zoo, self.target)
        if "train" in self.splits:
            self._check()
        else:
            list(self.folds)  # each checks itself
        classify = self.classes is not None
        self.output = "logits" if classify else "values"
        self.metric = getattr(type(self), "metric", "accuracy" if classify else "pearson-r")
        if isinstance(metric_of(self.metric), Regression) == classify:
            kinds = ("numbers", "classes") if classify else ("classes", "numbers")
            raise BadInput(
                f"task {self.name}: metric {self.metric} is of {kinds[0]}, "
                f"but {self.target} of zoo {self.zoo.name} holds {kinds[1]}"
            )

    def _target(self, given: str | None) -> str | None:
        if self.fixed_target in (None, "label"):  # records of classification name no target
            return super()._target(given) if self.fixed_target else given
        return self.fixed_target if given in (None, self.fixed_target) else super()._target(given)

    def _accept(self, zoo: Zoo) -> None:
        if self.classes is not None:
            raise BadInput(f"task {self.name} tells classes of one zoo: leave --also out")
        missing = [name for name in self.target.split(" - ") if name not in zoo.manifest.columns]
        if missing:
            raise BadInput(f"zoo {zoo.name} has no column {missing[0]}, which is asked for")

    def _check(self) -> None:
        """Raises BadInput, in one line, for a target that cannot be learned or scored."""
        where = f"{self.target} of zoo {self.zoo.name}"
        for name, split in self.splits.items():
            if len(split) < FEWEST_NETWORKS.get(name, 1):
                raise BadInput(
                    f"split {name} of zoo {self.zoo.name} has {len(split)} networks, {FEWEST_NETWORKS[name]} needed"
                )
        if self.options.split == "across-runs" and self.splits["train"].table["run"].nunique() < 2:
            raise BadInput(f"zoo {self.zoo.name} has one run to learn from: across-runs needs two; try within-run")
        values = {name: column_values(split.table, self.target) for name, split in self.splits.items()}
        kind = "numbers" if self.classes is None else "classes"
        if kind not in self.kinds:
            raise BadInput(f"task {self.name} takes a target of {self.kinds[0]}, but {where} holds {kind}")
        for name, found in values.items():
            bad = found.isna() if kind == "classes" else ~np.isfinite(found.astype(float))
            if bad.any():
                raise BadInput(f"{where}: {bad.sum()} of {len(found)} values in {name} are missing or not finite")
        if values["train"].nunique() < 2:
            raise BadInput(f"{where} is constant in train ({values['train'].iloc[0]}): there is nothing to learn")
        unseen = {str(value) for found in values.values() for value in set(found) - set(values["train"])}
        if kind == "classes" and unseen:
            shown = ", ".join(sorted(unseen)[:5])
            raise BadInput(f"{where}: {len(unseen)} classes are absent from train, such as {shown}")

    @property
    def output_dim(self) -> int:
        """The number of classes; 1 for values."""
        return 1 if self.classes is None else len(self.classes)

    def targets(self, split: Split) -> Tensor:
        """Class numbers `[N]`, int64, or values `[N, 1]`, float32."""
        found = column_values(split.table, self.target)
        if self.classes is None:
            return torch.from_numpy(found.to_numpy(np.float32).copy()).unsqueeze(1)
        return torch.from_numpy(pd.Index(self.classes).get_indexer(pd.Index(found)).astype(np.int64))

    @cached_property
    def _variance(self) -> float:
        return float(self.targets(self.splits["train"]).double().var(correction=0))

    def observe(self, output: Tensor) -> Tensor:
        """The output as it is."""
        return output

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy; for values the squared error over the training targets' variance."""
        if self.classes is None:
            return torch.nn.functional.mse_loss(output, targets) / self._variance
        return torch.nn.functional.cross_entropy(output, targets)

    def evidence(self, observed: Tensor, split: Split) -> Arrays:
        """The logits or values, float32 `[N, output_dim]`."""
        return {self.output: observed.float().numpy()}
