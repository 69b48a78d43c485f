"""A raw data set as networks are trained on it: chosen items in a fixed order, inputs and targets scaled."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ...runtime.errors import BadInput
from ..recipes.raw_data import Source
from ..recipes.run_recipe import RunRecipe
from ..recipes.splits import SPLIT_SEED


class TrainingData:
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
    scaled: np.ndarray = (values - train.mean(0)) / np.where(deviation > 0, deviation, 1)
    return scaled.astype(np.float32)
