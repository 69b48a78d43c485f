"""The training loop: one readable function."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from ...runtime import distributed
from ...runtime.progress import track
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split
from ..contract.task_view import TaskView
from . import checkpoint, training_log
from .augmentation import Augmentation
from .contrastive_loss import contrastive_loss
from .training_fields import TrainingFields
from .training_flops import epoch_flops


class NotFinite(FloatingPointError):
    """The loss became NaN or infinite."""


class LossOf(nn.Module):
    """A module's loss as output, a tensor for every task: what DistributedDataParallel can wrap."""

    def __init__(self, method: TrainingFields, module: nn.Module, task: TaskView) -> None:
        super().__init__()
        self.module, self.task, self.temperature = module, task, method.contrastive_temperature

    def forward(self, networks: Networks, targets: Tensor) -> Tensor:
        """The task's loss `[]` on targets `[B, ...]`, or the contrastive one."""
        output = self.module(networks)
        if self.temperature:
            return contrastive_loss(output, targets, self.temperature)
        return self.task.loss(output, targets)


@dataclass
class Progress:
    """How far a training is: what a checkpoint holds beside the parameters and the random generators.

    Attributes:
        best_state: the module's, after the epoch with the best validation score.
        epoch: how many epochs have ended.
        left: the batches (group, rows) that the epoch begun has still to come, the next one last.
        loss: summed over the networks that this epoch has seen.
    """

    best_state: dict[str, Tensor]
    best: float | None = None
    best_epoch: int = 0
    curves: dict[str, list[float]] = field(default_factory=lambda: {"train_loss": [], "val_score": []})
    epoch: int = 0
    left: list[tuple[int, Tensor]] = field(default_factory=list)
    loss: Tensor = field(default_factory=lambda: torch.zeros(()))
    seen: int = 0


def train(
    method: TrainingFields,
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
    through the batches of all of them in random order. Returns the selection, the budget and each epoch's mean loss and
    validation score for the result record. A training that was cut off goes on after its last checkpoint, with the same
    outcome. Raises NotFinite.

    Under `torchrun` every process takes its part of each batch (DistributedDataParallel), so that the batch as a whole,
    and with it the loss, is what a single process would have. Batch norms see their own process's part.
    """
    processes = distributed.size()
    loss_of: nn.Module = LossOf(method, module, task)
    if processes > 1:
        loss_of = DistributedDataParallel(loss_of, find_unused_parameters=True)
    if distributed.rank():
        torch.manual_seed(torch.initial_seed() + distributed.rank())  # its own dropout and augmentation
    groups, targets = _on_device(task, train, device)
    val_groups, val_targets = _on_device(task, val, device)
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=method.lr, weight_decay=method.weight_decay, amsgrad=True, fused=True
    )
    half = torch.autocast(device.split(":")[0], torch.bfloat16, enabled=method.precision == "bf16")
    of_epoch = sum(-(-len(networks) // method.batch_size) for networks in groups)
    epochs, batches = _length(method, module, task, groups, targets, half, of_epoch)
    scheduler = _scheduler(method, optimizer, epochs * batches)
    generator = torch.Generator().manual_seed(torch.initial_seed())
    at = Progress(copy.deepcopy(module.state_dict()))
    earlier_s, started = 0.0, time.perf_counter()
    parts: list[Any] = [module, optimizer, scheduler]
    kept = checkpoint.load(device) if processes == 1 else None
    if kept is not None:
        for part, state in zip(parts, kept["parts"], strict=True):
            part.load_state_dict(state)
        at, earlier_s = Progress(**kept["progress"]), kept["seconds"]
        at.loss = at.loss.to(device)
        generator.set_state(kept["generator"])
        checkpoint.restore_random(kept, device)

    def keep() -> None:
        if processes == 1:
            checkpoint.save(
                device,
                seconds=earlier_s + time.perf_counter() - started,
                state=lambda: {
                    "parts": [part.state_dict() for part in parts],
                    "progress": vars(at),
                    "generator": generator.get_state(),
                },
            )

    done = at.epoch * batches + (batches - len(at.left) if at.left else 0)
    with (
        track(f"train {method.name}", epochs * batches, "steps") as advance,
        training_log.begun(done + 1) as log,
    ):
        if done:
            advance(done, "", False)
        for epoch in range(at.epoch + 1, epochs + 1):
            loss_of.train()
            if not at.left:
                at.left = _shuffled(groups, method.batch_size)[:batches][::-1]
                at.loss, at.seen = torch.zeros((), device=device), 0
            while at.left:
                group, batch = at.left.pop()
                step = epoch * batches - len(at.left)
                optimizer.zero_grad(set_to_none=True)
                of_batch = torch.zeros((), device=device)
                for rows, weight in _parts(batch, method.accumulate):
                    networks = augmentation(groups[group][rows], generator)
                    with half:
                        loss = weight * loss_of(networks, targets[group][rows])
                    if not torch.isfinite(loss):
                        raise NotFinite(f"the loss is {loss.item()} in epoch {epoch}: lower lr or set clip_norm")
                    loss.backward()
                    of_batch += loss.detach()
                at.loss += of_batch * len(batch)
                at.seen += len(batch)
                log.loss(of_batch, step)
                if method.clip_norm:
                    nn.utils.clip_grad_norm_(module.parameters(), method.clip_norm)
                optimizer.step()
                scheduler.step()
                advance(1, "" if at.best is None else f"val {task.metric} {at.best:.4g}")
                if at.left:
                    keep()
            score = distributed.agreed(_validate(module, task, val_groups, val_targets, method.batch_size))
            log.score(task.metric, score, epoch * batches)
            at.epoch = epoch
            at.curves["train_loss"].append(float(f"{at.loss.item() / at.seen:.6g}"))
            at.curves["val_score"].append(float(f"{score:.6g}"))
            if at.best is None or (score > at.best if task.higher_is_better else score < at.best):
                at.best, at.best_epoch, at.best_state = score, epoch, copy.deepcopy(module.state_dict())
            elif method.patience and epoch - at.best_epoch >= method.patience:
                break
            keep()
    steps = at.epoch * batches
    flops = 0.0
    if steps:
        flops = steps / of_epoch * _epoch_flops(method, LossOf(method, module, task), groups, targets, half)
    module.load_state_dict(at.best_state)
    return {
        "selection": {"rule": f"best val {task.metric}", "val_score": at.best, "epoch": at.best_epoch},
        "budget": {"epochs": at.epoch, "steps": steps, "flops": flops}
        | ({"processes": processes} if processes > 1 else {}),
        "curves": at.curves,
    }


def _length(
    method: TrainingFields,
    module: nn.Module,
    task: TaskView,
    groups: list[Networks],
    targets: list[Tensor],
    half: torch.autocast,
    batches: int,
) -> tuple[int, int]:
    """The epochs that are run and the batches of each: all, or what the limit of operations allows.

    Nothing else of the training changes by counting them.
    """
    if not (method.flop_limit and method.epochs):
        return method.epochs, batches
    device = groups[0].params.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        flops = _epoch_flops(method, LossOf(method, copy.deepcopy(module), task), groups, targets, half)
    affordable = method.flop_limit / max(flops, 1.0)
    return (min(method.epochs, int(affordable)), batches) if affordable >= 1 else (1, max(1, int(affordable * batches)))


def _epoch_flops(
    method: TrainingFields, loss_of: LossOf, groups: list[Networks], targets: list[Tensor], half: torch.autocast
) -> float:
    loss_of.train()
    loss_of.zero_grad(set_to_none=True)

    def loss(networks: Networks, wanted: Tensor) -> Tensor:
        with half:
            found: Tensor = loss_of(networks, wanted)
        return found

    found = epoch_flops(loss, groups, targets, -(-method.batch_size // method.accumulate))
    loss_of.zero_grad(set_to_none=True)
    return found


def _on_device(task: TaskView, split: Split, device: str) -> tuple[list[Networks], list[Tensor]]:
    """The networks of each architecture, and their targets."""
    targets = task.targets(split).to(device).split([len(networks) for networks in split.groups])
    return [networks.to(device) for networks in split.groups], list(targets)


def _shuffled(groups: list[Networks], batch_size: int) -> list[tuple[int, Tensor]]:
    """An epoch's batches as (group, rows): rows shuffled within their group, then the batches of all groups."""
    batches = [
        (group, rows)
        for group, networks in enumerate(groups)
        if len(networks)  # an architecture may be in other splits alone
        for rows in torch.randperm(len(networks), device=networks.params.device).split(batch_size)
    ]
    if len(groups) > 1:
        batches = [batches[i] for i in torch.randperm(len(batches))]
    if distributed.size() > 1:
        batches = distributed.agreed([(group, rows.cpu()) for group, rows in batches])
    return batches


def _parts(batch: Tensor, accumulate: int) -> Iterator[tuple[Tensor, float]]:
    """This process's rows of a batch in `accumulate` parts, and the weight of each part's mean loss.

    Gradients are added up over the parts and averaged over the processes, which gives that of the whole batch's mean.
    """
    processes = distributed.size()
    for rows in batch.tensor_split(processes * accumulate)[distributed.rank() :: processes]:
        yield rows if len(rows) else batch[:1], processes * len(rows) / len(batch)  # none: the others wait for this one


def _scheduler(method: TrainingFields, optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
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
