"""The settings of the training loop, as hyperparameters of a method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import NonNegativeInt, PositiveInt

from ...runtime import distributed
from ...runtime.errors import BadInput
from ...zoo.recipes.run_recipe import DrawnHyperparameter
from ..contract.method import Method
from ..contract.parameter_ranges import NonNegativeFinite, PositiveFinite
from ..contract.task_view import TaskView
from .augmentation import compose


class TrainingFields(Method):
    """A method with what `training_loop.train` has to know.

    Fields:
        epochs, batch_size, lr, weight_decay, warmup_steps, clip_norm: as everywhere; clip_norm 0 does not clip.
        schedule: "constant" after the warm-up, "cosine" down to 0, or "one-cycle" (Smith and Topin 2019).
        patience: stop after that many epochs without a better validation score; 0 never stops early.
        augment: names of `augmentation.AUGMENTATIONS` for training batches, for instance ("rotation", "noise=0.3").
            Those that change a network's function are left out where that may change the answer: everywhere but in
            tasks whose `inputs_may_move`, such as classification of INRs.
        flop_limit: what one fit may take, counted as `training_flops` does, the same for methods of any size: as many
            epochs are run as fit in, at most `epochs`, or as many batches where not even one fits. 0: no limit.
        contrastive_temperature: of a supervised contrastive loss in place of the task's cross-entropy, where outputs
            are judged by their distances (`network-retrieval`); 0: the task's loss.
        accumulate: take every batch in that many parts, for one that does not fit the device; the loss stays the same.
        precision: "bf16" computes the forward pass of training in bfloat16 where torch's autocast does; parameters,
            validation and prediction stay in float32.
    """

    recipe_fields: ClassVar[frozenset[str]] = frozenset(
        ("epochs", "batch_size", "lr", "weight_decay", "warmup_steps", "clip_norm", "schedule", "patience", "augment")
    ) | {"accumulate", "flop_limit", "contrastive_temperature"}
    search_space: ClassVar[Mapping[str, DrawnHyperparameter]] = {
        "lr": DrawnHyperparameter(log_uniform=(1e-4, 1e-2)),
        "weight_decay": DrawnHyperparameter(log_uniform=(1e-5, 1e-1)),
        "batch_size": DrawnHyperparameter(choice=(32, 64, 128)),
        "dropout": DrawnHyperparameter(choice=(0.0, 0.1, 0.3)),
    }
    later_fields: ClassVar[frozenset[str]] = frozenset(
        ("accumulate", "flop_limit", "contrastive_temperature", "precision")
    )

    epochs: NonNegativeInt = 100
    batch_size: PositiveInt = 64
    lr: PositiveFinite = 1e-3
    weight_decay: NonNegativeFinite = 5e-4
    warmup_steps: NonNegativeInt = 0
    clip_norm: NonNegativeFinite = 0.0
    schedule: Literal["constant", "cosine", "one-cycle"] = "constant"
    patience: NonNegativeInt = 0
    augment: tuple[str, ...] = ()
    flop_limit: NonNegativeFinite = 0.0
    contrastive_temperature: NonNegativeFinite = 0.0
    accumulate: PositiveInt = 1
    precision: Literal["float32", "bf16"] = "float32"

    def check(self, task: TaskView) -> None:
        """Refuse what a method refuses, unknown augmentations, a loss that is not for the task. Raises BadInput."""
        super().check(task)
        compose(self.augment)
        if self.contrastive_temperature and task.metric != "map":
            raise BadInput(
                f"contrastive_temperature: {task.name} is not judged by distances; set it for network-retrieval"
            )
        if self.contrastive_temperature and (self.accumulate > 1 or distributed.size() > 1):
            raise BadInput("contrastive_temperature: the loss is of a whole batch; take one process and accumulate=1")
