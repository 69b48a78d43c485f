"""The training loop: one readable function."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from ..zoo.collection import Split
from ..zoo.networks import Networks
from ..zoo.progress import track

if TYPE_CHECKING:
    from .augment import Augmentation
    from .base import NeuralMethod, TaskView


class NotFinite(FloatingPointError):
    """The loss became NaN or infinite."""


class InUnitsOf(nn.Module):
    """Turns a module's answers, in standard deviations from the mean of `targets [N, d]`, into values."""

    def __init__(self, targets: Tensor, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", targets.mean(0))
        self.register_buffer("scale", targets.std(0) + 1e-8)

    def forward(self, networks: Networks) -> Tensor:
        values: Tensor = self.mean + self.scale * self.module(networks)
        return values


def train(
    method: NeuralMethod,
    module: nn.Module,
    task: TaskView,
    train: Split,
    val: Split,
    augmentation: Augmentation,
    *,
    device: str,
) -> dict[str, Any]:
    """AdamW on shuffled and augmented batches; keeps the parameters of the epoch with the best validation score.

    The whole split lies on the device, one tensor per architecture. A batch is of one architecture; an epoch goes
    through the batches of all of them in random order. Returns the selection, the budget and each
    epoch's mean loss and validation score for the result record. Raises NotFinite.
    """
    groups, targets = _on_device(task, train, device)
    val_groups, val_targets = _on_device(task, val, device)
    batches = sum(-(-len(networks) // method.batch_size) for networks in groups)
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=method.lr, weight_decay=method.weight_decay, amsgrad=True, fused=True
    )
    scheduler = _scheduler(method, optimizer, method.epochs * batches)
    generator = torch.Generator().manual_seed(torch.initial_seed())
    best, best_epoch, best_state = None, 0, copy.deepcopy(module.state_dict())
    curves: dict[str, list[float]] = {"train_loss": [], "val_score": []}
    epoch = 0
    with track(f"train {method.name}", method.epochs * batches, "steps") as advance:
        for epoch in range(1, method.epochs + 1):
            module.train()
            total = torch.zeros((), device=device)
            for group, rows in _shuffled(groups, method.batch_size):
                networks = augmentation(groups[group][rows], generator)
                loss = task.loss(module(networks), targets[group][rows])
                if not torch.isfinite(loss):
                    raise NotFinite(f"the loss is {loss.item()} in epoch {epoch}: lower lr or set clip_norm")
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                if method.clip_norm:
                    nn.utils.clip_grad_norm_(module.parameters(), method.clip_norm)
                optimizer.step()
                scheduler.step()
                total += loss.detach() * len(rows)
                advance(1, "" if best is None else f"val {task.metric} {best:.4g}")
            score = _validate(module, task, val_groups, val_targets, method.batch_size)
            curves["train_loss"].append(float(f"{total.item() / len(train):.6g}"))
            curves["val_score"].append(float(f"{score:.6g}"))
            if best is None or (score > best if task.higher_is_better else score < best):
                best, best_epoch, best_state = score, epoch, copy.deepcopy(module.state_dict())
            elif method.patience and epoch - best_epoch >= method.patience:
                break
    module.load_state_dict(best_state)
    return {
        "selection": {"rule": f"best val {task.metric}", "val_score": best, "trials": 1, "epoch": best_epoch},
        "budget": {"epochs": epoch, "steps": epoch * batches, "seconds_limit": None},
        "curves": curves,
    }


def _on_device(task: TaskView, split: Split, device: str) -> tuple[list[Networks], list[Tensor]]:
    """The networks of each architecture, and their targets."""
    targets = task.targets(split).to(device).split([len(networks) for networks in split.groups])
    return [networks.to(device) for networks in split.groups], list(targets)


def _shuffled(groups: list[Networks], batch_size: int) -> list[tuple[int, Tensor]]:
    """An epoch's batches as (group, rows): rows shuffled within their group, then the batches of all groups."""
    batches = [
        (group, rows)
        for group, networks in enumerate(groups)
        for rows in torch.randperm(len(networks), device=networks.params.device).split(batch_size)
    ]
    return [batches[i] for i in torch.randperm(len(batches))] if len(groups) > 1 else batches


def _scheduler(method: NeuralMethod, optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    if method.schedule == "one-cycle":
        return OneCycleLR(optimizer, method.lr, total_steps=max(steps, 1) + 1)

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / method.warmup_steps) if method.warmup_steps else 1.0
        if method.schedule == "cosine":
            warm *= 0.5 * (1 + torch.cos(torch.tensor(torch.pi * step / max(steps, 1))).item())
        return warm

    return LambdaLR(optimizer, factor)


@torch.no_grad()
def _validate(
    module: nn.Module, task: TaskView, groups: list[Networks], targets: list[Tensor], batch_size: int
) -> float:
    module.eval()
    observed = [
        task.observe(module(networks[i : i + batch_size]))
        for networks in groups
        for i in range(0, len(networks), batch_size)
    ]
    return task.quality(torch.cat(observed), torch.cat(targets))
