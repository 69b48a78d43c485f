"""Methods that are torch modules: the contract but for the module."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split
from ..contract.method import Output
from ..contract.task_view import TaskView
from .augmentation import compose
from .training_fields import TrainingFields
from .training_loop import train as train_module


class InTargetUnits(nn.Module):
    """Turns a module's answers, in standard deviations from the mean of `targets [N, d]`, into values."""

    def __init__(self, targets: Tensor, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", targets.mean(0))
        self.register_buffer("scale", targets.std(0) + 1e-8)

    def forward(self, networks: Networks) -> Tensor:
        """Values `[B, d]`."""
        values: Tensor = self.mean + self.scale * self.module(networks)
        return values


class NeuralMethod(TrainingFields):
    """A method that is a torch module: write `build`, get the training loop (see `training_loop.train`).

    A module for values answers in standard deviations from the mean of the training targets. The fields of the training
    loop are those of `TrainingFields`: epochs, batch_size, lr, schedule, augment and others.

    Example:
        >>> import torch
        >>> import weightbench as wb
        >>> class Linear(torch.nn.Linear):
        ...     def forward(self, networks):
        ...         return super().forward(networks.params)
        >>> class Flat(wb.NeuralMethod):
        ...     name, tasks, one_architecture = "flat", ("inr-classification",), True
        ...     epochs: int = 1
        ...
        ...     def build(self, task):
        ...         return Linear(task.architectures[0].num_params, task.output_dim)
        >>> [result] = wb.run(Flat, task="inr-classification", zoo="digits-inrs")
        >>> result.status, result.cost.parameters
        ('ok', 3380)
    """

    def build(self, task: TaskView) -> nn.Module:
        """The module: forward(Networks) -> `[B, task.output_dim]`, or edited `Networks` for an editing task."""
        raise TypeError(f"{type(self).__name__} has no build method: write one that returns a torch module")

    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        """Build the module and train it; the caller's random state stays as it was. Raises NotFinite."""
        with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
            torch.manual_seed(seed)
            module = self.build(task)
            if task.output == "values":
                module = InTargetUnits(task.targets(train), module)
            self.module = module.to(device)
            augmentation = compose(self.augment, keep_function=not task.inputs_may_move)
            self._report = train_module(self, self.module, task, train, val, augmentation, device=device)
        self._device = device

    @property
    def num_parameters(self) -> int:
        """Trained parameters of the module, known after `fit`."""
        return sum(p.numel() for p in self.module.parameters())

    @property
    def fit_report(self) -> dict[str, Any]:
        """What `training_loop.train` returned."""
        return self._report

    @torch.no_grad()
    def predict(self, networks: Networks) -> Output:
        """The module's answers `[B, task.output_dim]`, or edited networks, on the CPU; in batches as in training."""
        self.module.eval()
        starts = range(0, max(len(networks), 1), self.batch_size)
        outputs = [self.module(networks[i : i + self.batch_size].to(self._device)) for i in starts]
        if isinstance(outputs[0], Networks):
            return Networks(networks.arch, torch.cat([output.params for output in outputs]).cpu())
        return torch.cat(outputs).cpu()
