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
    from .base import NeuralMethod, TaskView


class NotFinite(FloatingPointError):
    """The loss became NaN or infinite."""


def train(
    method: NeuralMethod, module: nn.Module, task: TaskView, train: Split, val: Split, *, device: str
) -> dict[str, Any]:
    """AdamW on shuffled batches; keeps the parameters of the epoch with the best validation score.

    The whole split lies on the device as one tensor; an epoch is one random order of its rows. Returns the selection
    and the budget for the result record. Raises NotFinite.
    """
    networks, targets = train.networks.to(device), task.targets(train).to(device)
    val_networks, val_targets = val.networks.to(device), task.targets(val).to(device)
    batches = -(-len(networks) // method.batch_size)
    optimizer = torch.optim.AdamW(module.parameters(), lr=method.lr, weight_decay=method.weight_decay, amsgrad=True)
    scheduler = _scheduler(method, optimizer, method.epochs * batches)
    best, best_epoch, best_state = None, 0, copy.deepcopy(module.state_dict())
    epoch = 0
    with track(f"train {method.name}", method.epochs * batches, "steps") as advance:
        for epoch in range(1, method.epochs + 1):
            module.train()
            for rows in torch.randperm(len(networks), device=device).split(method.batch_size):
                loss = task.loss(module(networks[rows]), targets[rows])
                if not torch.isfinite(loss):
                    raise NotFinite(f"the loss is {loss.item()} in epoch {epoch}: lower lr or set clip_norm")
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                if method.clip_norm:
                    nn.utils.clip_grad_norm_(module.parameters(), method.clip_norm)
                optimizer.step()
                scheduler.step()
                advance(1, "" if best is None else f"val {task.metric} {best:.4g}")
            score = _validate(module, task, val_networks, val_targets, method.batch_size)
            if best is None or (score > best if task.higher_is_better else score < best):
                best, best_epoch, best_state = score, epoch, copy.deepcopy(module.state_dict())
            elif method.patience and epoch - best_epoch >= method.patience:
                break
    module.load_state_dict(best_state)
    return {
        "selection": {"rule": f"best val {task.metric}", "val_score": best, "trials": 1, "epoch": best_epoch},
        "budget": {"epochs": epoch, "steps": epoch * batches, "seconds_limit": None},
    }


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
def _validate(module: nn.Module, task: TaskView, networks: Networks, targets: Tensor, batch_size: int) -> float:
    module.eval()
    rows = torch.arange(len(networks), device=networks.params.device).split(batch_size)
    qualities = [(task.quality(module(networks[part]), targets[part]), len(part)) for part in rows]
    return sum(quality * n for quality, n in qualities) / len(networks)
