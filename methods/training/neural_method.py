"""Methods that are torch modules: the contract but for the module, and the fields of the training loop."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import nn

from ...runtime.errors import BadInput
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split
from ..contract.method import Method, Output, TaskView
from . import training_loop as training
from .augmentation import compose


class NeuralMethod(Method):
    """A method that is a torch module: write `build`, get the training loop (see `training.train`).

    A module for values answers in standard deviations from the mean of the training targets.

    Fields:
        epochs, batch_size, lr, weight_decay, warmup_steps, clip_norm: as everywhere; clip_norm 0 does not clip.
        schedule: "constant" after the warm-up, "cosine" down to 0, or "one-cycle" (Smith and Topin 2019).
        patience: stop after that many epochs without a better validation score; 0 never stops early.
        augment: names of `augment.AUGMENTATIONS` for training batches, for instance ("rotation", "noise=0.3"). Those
            that change a network's function are left out where that may change the answer: everywhere but in tasks
            whose `inputs_may_move`, such as classification of INRs.
        accumulate: take every batch in that many parts, for one that does not fit the device; the loss stays the same.
        precision: "bf16" computes the forward pass of training in bfloat16 where torch's autocast does; parameters,
            validation and prediction stay in float32.
    """

    recipe_fields: ClassVar[frozenset[str]] = frozenset(
        ("epochs", "batch_size", "lr", "weight_decay", "warmup_steps", "clip_norm", "schedule", "patience", "augment")
    ) | {"accumulate"}
    later_fields: ClassVar[frozenset[str]] = frozenset(("accumulate", "precision"))

    epochs: int = 100
    batch_size: int = 64
    lr: float = 1e-3
    weight_decay: float = 5e-4
    warmup_steps: int = 0
    clip_norm: float = 0.0
    schedule: Literal["constant", "cosine", "one-cycle"] = "constant"
    patience: int = 0
    augment: tuple[str, ...] = ()
    accumulate: int = 1
    precision: Literal["float32", "bf16"] = "float32"

    def check(self, task: TaskView) -> None:
        super().check(task)
        if self.accumulate < 1:
            raise BadInput(f"parameter accumulate of {self.name} is {self.accumulate}: parts of a batch, 1 or more")
        compose(self.augment)  # refuses unknown names

    def build(self, task: TaskView) -> nn.Module:
        """The module: forward(Networks) -> `[B, task.output_dim]`, or edited `Networks` for an editing task."""
        raise TypeError(f"{type(self).__name__} has no build method: write one that returns a torch module")

    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
            torch.manual_seed(seed)
            module = self.build(task)
            if task.output == "values":
                module = training.InUnitsOf(task.targets(train), module)
            self.module = module.to(device)
            augmentation = compose(self.augment, keep_function=not task.inputs_may_move)
            self._report = training.train(self, self.module, task, train, val, augmentation, device=device)
        self._device = device

    @property
    def num_parameters(self) -> int:
        return sum(p.numel() for p in self.module.parameters())

    @property
    def fit_report(self) -> dict[str, Any]:
        return self._report

    @torch.no_grad()
    def predict(self, networks: Networks) -> Output:
        self.module.eval()
        starts = range(0, max(len(networks), 1), self.batch_size)
        outputs = [self.module(networks[i : i + self.batch_size].to(self._device)) for i in starts]
        if isinstance(outputs[0], Networks):
            return Networks(networks.arch, torch.cat([output.params for output in outputs]).cpu())
        return torch.cat(outputs).cpu()
