"""`RunRecipe`: how the runs of a snapshot zoo or a population are trained. torch-free; unknown fields are refused."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    ValidationError,
    model_validator,
)

from ..networks.architecture import Architecture
from ..networks.operations.elementwise import ActivationName
from ..storage.manifest import FILE_NAME
from .architecture_families import ArchitectureFamily, Family

RunInit = Literal["torch", "glorot-normal", "he-normal", "orthogonal", "random-normal", "truncated-normal"]
OptimizerName = Literal["adam", "sgd", "rmsprop"]
Loss = Literal["cross-entropy", "mse"]
Scalar = float | str


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MLPVariant(_Spec):
    """A fully connected network."""

    sizes: tuple[PositiveInt, ...]
    activation: ActivationName = "relu"

    @property
    def architecture(self) -> Architecture:
        """The architecture that the fields describe."""
        return Architecture.mlp(self.sizes, self.activation)


class CNNVariant(_Spec):
    """Convolutions with an activation each, global average pooling, one linear layer."""

    input_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    channels: tuple[PositiveInt, ...]
    outputs: PositiveInt
    kernel_size: PositiveInt = 3
    stride: PositiveInt = 2
    padding: NonNegativeInt = 0
    activation: ActivationName = "relu"

    @property
    def architecture(self) -> Architecture:
        """The architecture that the fields describe."""
        return Architecture.cnn(
            self.input_shape,
            self.channels,
            self.outputs,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            activation=self.activation,
        )


def _kind(variant: Any) -> str:
    """Which of the three a variant is meant to be, so that only what is wrong with that one is said."""
    if isinstance(variant, BaseModel):
        return {MLPVariant: "mlp", CNNVariant: "cnn"}.get(type(variant), "family")
    fields = variant if isinstance(variant, dict) else {}
    return "family" if "family" in fields else "mlp" if "sizes" in fields else "cnn"


Variant = Annotated[
    Annotated[MLPVariant, Tag("mlp")] | Annotated[CNNVariant, Tag("cnn")] | Annotated[Family, Tag("family")],
    Discriminator(_kind),
]


class DrawnHyperparameter(_Spec):
    """A hyperparameter that is drawn for every run on its own; exactly one of the three."""

    uniform: tuple[float, float] | None = None
    log_uniform: tuple[PositiveFloat, PositiveFloat] | None = None
    choice: tuple[Scalar, ...] | None = None

    @model_validator(mode="after")
    def _one(self) -> DrawnHyperparameter:
        if len(self.model_fields_set) != 1:
            raise ValueError("a drawn hyperparameter has exactly one of uniform, log_uniform, choice")
        return self

    def sample(self, rng: np.random.Generator) -> Scalar:
        """One value from the range or the choices."""
        if self.uniform:
            return float(rng.uniform(*self.uniform))
        if self.log_uniform:
            return float(math.exp(rng.uniform(math.log(self.log_uniform[0]), math.log(self.log_uniform[1]))))
        assert self.choice
        return self.choice[int(rng.integers(len(self.choice)))]


Setting = Annotated[Scalar | tuple[Scalar, ...] | DrawnHyperparameter, Field(union_mode="left_to_right")]


class Hyperparameters(_Spec):
    """What may vary between runs: a value, a list (an axis of the grid of all runs) or a `DrawnHyperparameter` per run.

    Arguments:
        variant: names of the recipe's architectures; default all of them, as an axis.
        source: data set that a run is trained on; default the entry's own.
        optimizer: "adam", "sgd" (momentum 0.9) or "rmsprop" (decay 0.9), see `trainer.OPTIMIZERS`.
        lr: learning rate.
        weight_decay: lambda in lambda / 2 times the sum of squared weights (not biases), added to the loss.
        dropout: probability of zeroing a hidden unit after its activation.
        init: "torch" or Keras' names; see `initialisation.initial_params`.
        init_std: standard deviation of "random-normal" and "truncated-normal".
        train_fraction: share of the training items that a run sees, always the first ones of one fixed order.
    """

    variant: Setting = ()
    source: Setting = ()
    optimizer: Setting = "adam"
    lr: Setting
    weight_decay: Setting = 0.0
    dropout: Setting = 0.0
    init: Setting = "torch"
    init_std: Setting = 0.05
    train_fraction: Setting = 1.0


NUMBER_RANGES = {  # smallest and largest value
    "lr": (0.0, math.inf),
    "weight_decay": (0.0, math.inf),
    "dropout": (0.0, 0.99),
    "init_std": (0.0, math.inf),
    "train_fraction": (1e-6, 1.0),
}


def _values(setting: Scalar | tuple[Scalar, ...] | DrawnHyperparameter) -> tuple[Scalar, ...]:
    """What a setting can be, or the ends of what it is drawn from."""
    if isinstance(setting, DrawnHyperparameter):
        return setting.choice or setting.uniform or setting.log_uniform or ()
    return setting if isinstance(setting, tuple) else (setting,)


class RunRecipe(_Spec):
    """How the runs of a snapshot zoo or of a population are trained; one network per run and checkpoint.

    Arguments:
        loss: "cross-entropy" or "mse".
        variants: architectures by name, which is part of file names; a family stands for those that are drawn from it.
        hyperparameters: see `Hyperparameters`; the runs are the product of its lists, `repeats` times.
        epochs, batch_size: of mini-batches in a new order every epoch; an incomplete last batch is left out.
        checkpoints: epochs that are kept, 0 being the initial state; None keeps all.
        train_items, test_items: how many of the source's items are used, the first of a fixed random order.
        seed: initialisation, draws, data order and dropout of a run depend on (seed, run) only.
    """

    kind: Literal["runs"] = "runs"
    loss: Loss
    variants: dict[Annotated[str, Field(pattern=f"^{FILE_NAME}$")], Variant]
    hyperparameters: Hyperparameters
    repeats: PositiveInt = 1
    epochs: PositiveInt
    batch_size: PositiveInt
    checkpoints: tuple[NonNegativeInt, ...] | None = None
    train_items: PositiveInt
    test_items: PositiveInt
    seed: NonNegativeInt = 0

    @model_validator(mode="after")
    def _settings_are_possible(self) -> RunRecipe:
        if self.checkpoints is not None and max(self.checkpoints) > self.epochs:
            raise ValueError(f"checkpoints {self.checkpoints} lie beyond epoch {self.epochs}")
        try:
            variants = tuple(self.architectures)
        except ValidationError as error:
            raise ValueError(f"variants: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
        names = {"variant": variants, "optimizer": get_args(OptimizerName), "init": get_args(RunInit)}
        for name, setting in self.hyperparameters:
            for value in _values(setting):
                if name in names and value not in names[name]:
                    raise ValueError(f"{name} {value!r}: there is {', '.join(names[name])}")
                if name in NUMBER_RANGES:
                    low, high = NUMBER_RANGES[name]
                    if not (isinstance(value, float) and low <= value <= high):
                        raise ValueError(f"{name} {value!r}: a number from {low:g} to {high:g}")
        return self

    @cached_property
    def architectures(self) -> dict[str, Architecture]:
        """The architectures by name: those of the variants, and those drawn from families."""
        found: dict[str, Architecture] = {}
        for name, variant in self.variants.items():
            found |= variant.drawn(name) if isinstance(variant, ArchitectureFamily) else {name: variant.architecture}
        return found

    @property
    def draws_architectures(self) -> bool:
        """Whether some come from families, so that there are many with few runs each."""
        return any(isinstance(variant, ArchitectureFamily) for variant in self.variants.values())

    @property
    def kept_epochs(self) -> tuple[int, ...]:
        """The epochs whose networks the zoo holds, ascending; 0 is the initial state."""
        return tuple(range(self.epochs + 1)) if self.checkpoints is None else tuple(sorted(self.checkpoints))

    def axes(self, sources: list[str]) -> dict[str, tuple[Scalar, ...]]:
        """The hyperparameters that span the grid, with their values."""
        default = {"variant": tuple(self.architectures), "source": tuple(sources)}
        return {name: value or default[name] for name, value in self.hyperparameters if isinstance(value, tuple)}

    def runs(self, sources: list[str]) -> int:
        """How many runs there are."""
        return self.repeats * math.prod(len(values) for values in self.axes(sources).values())
