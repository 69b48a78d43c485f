"""Recipes: every hyperparameter of how a zoo's networks are made, as data. torch-free; unknown fields are refused."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from ...runtime.files import digest
from ..networks.architecture import ActivationName, Architecture
from ..storage.manifest import FILE_NAME, RELEASE, ZOO_NAME

BUILDER = "2"  # raised when the same recipe would give other networks

INRInit = Literal["dwsnets", "siren"]
RunInit = Literal["torch", "glorot-normal", "he-normal", "orthogonal", "random-normal", "truncated-normal"]
Init = INRInit | RunInit
OptimizerName = Literal["adam", "sgd", "rmsprop"]
Loss = Literal["cross-entropy", "mse"]
Scalar = float | str


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class INRRecipe(_Spec):
    """How one SIREN is fitted to one image: Adam, full batch over all pixels, mean squared error.

    Arguments:
        sizes: widths from the two coordinates to the channels.
        omega_0: frequency of the sine layers.
        output_offset: added to the network's output.
        init: "dwsnets" (Navon et al. 2023) or "siren" (Sitzmann et al. 2020); see `initialisation.initial_params`.
        coordinates: "xy" (column, row) or "ij" (row, column), each from -1 to 1.
        target_range: what black and white are fitted to.
        lr, steps: of Adam.
        copies: networks per image in each split, with independent initialisations.
        order: "shuffled" or "index", how the data set's images are cut into splits.
        seed: of the initialisations; each network's depends on (seed, item, copy) only.
    """

    kind: Literal["inr"] = "inr"
    sizes: tuple[PositiveInt, ...]
    omega_0: PositiveFloat = 30.0
    output_offset: float = 0.0
    init: INRInit
    coordinates: Literal["xy", "ij"] = "xy"
    target_range: tuple[float, float] = (0.0, 1.0)
    lr: PositiveFloat
    steps: PositiveInt
    copies: dict[str, PositiveInt]
    order: Literal["shuffled", "index"] = "shuffled"
    seed: NonNegativeInt = 0

    @property
    def architectures(self) -> dict[str, Architecture]:
        """The one architecture, under the key "siren"."""
        return {
            "siren": Architecture.mlp(self.sizes, "sine", omega_0=self.omega_0, output_offset=self.output_offset),
        }


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
        variant: names of the recipe's variants; default all of them, as an axis.
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
        variants: architectures by name, which is part of file names.
        hyperparameters: see `Hyperparameters`; the runs are the product of its lists, `repeats` times.
        epochs, batch_size: of mini-batches in a new order every epoch; an incomplete last batch is left out.
        checkpoints: epochs that are kept, 0 being the initial state; None keeps all.
        train_items, test_items: how many of the source's items are used, the first of a fixed random order.
        seed: initialisation, draws, data order and dropout of a run depend on (seed, run) only.
    """

    kind: Literal["runs"] = "runs"
    loss: Loss
    variants: dict[Annotated[str, Field(pattern=f"^{FILE_NAME}$")], MLPVariant | CNNVariant]
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
        names = {"variant": tuple(self.variants), "optimizer": get_args(OptimizerName), "init": get_args(RunInit)}
        for name, setting in self.hyperparameters:
            for value in _values(setting):
                if name in names and value not in names[name]:
                    raise ValueError(f"{name} {value!r}: there is {', '.join(names[name])}")
                if name in NUMBER_RANGES:
                    low, high = NUMBER_RANGES[name]
                    if not (isinstance(value, float) and low <= value <= high):
                        raise ValueError(f"{name} {value!r}: a number from {low:g} to {high:g}")
        return self

    @property
    def architectures(self) -> dict[str, Architecture]:
        """The variants' architectures by name."""
        return {name: variant.architecture for name, variant in self.variants.items()}

    @property
    def kept_epochs(self) -> tuple[int, ...]:
        """The epochs whose networks the zoo holds, ascending; 0 is the initial state."""
        return tuple(range(self.epochs + 1)) if self.checkpoints is None else tuple(sorted(self.checkpoints))

    def axes(self, sources: list[str]) -> dict[str, tuple[Scalar, ...]]:
        """The hyperparameters that span the grid, with their values."""
        default = {"variant": tuple(self.variants), "source": tuple(sources)}
        return {name: value or default[name] for name, value in self.hyperparameters if isinstance(value, tuple)}

    def runs(self, sources: list[str]) -> int:
        """How many runs there are."""
        return self.repeats * math.prod(len(values) for values in self.axes(sources).values())


Recipe = Annotated[INRRecipe | RunRecipe, Field(discriminator="kind")]


class Mirror(_Spec):
    """A place that serves a zoo: a data set repository "ORG/NAME" or its address, and the commit that holds the zoo."""

    repo: str
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class ZooEntry(_Spec):
    """A zoo of the catalogue, or of one's own TOML file.

    Arguments:
        name, version: stand for exactly one recipe, for ever.
        sources: raw data sets by name (`raw_data.SOURCES`), each with the checksum of its content; "" where the whole
            data set was never available, so that every build of it is called `+local`.
        splits: source items (INRs) or runs in each split; INRs keep a data set's own test images for the test split.
        chunk: networks trained together, by kind of device.
        build_minutes: measured for the whole zoo, by kind of device ("cpu" is at most two cores); absent: unmeasured.
        megabytes: size of the whole zoo on disk.
        embedded: small enough for `load_zoo` to build it on first use.
        changelog: what each version changed.
        manifest_sha256: of the published `zoo.json`, which holds all other checksums; None until there is one.
        mirrors: where it is published, in the order in which they are tried.
    """

    name: Annotated[str, Field(pattern=f"^{ZOO_NAME}$")]
    version: Annotated[str, Field(pattern=f"^{RELEASE}$")]
    description: str
    sources: dict[str, str]
    splits: dict[str, PositiveInt]
    chunk: dict[str, PositiveInt]
    build_minutes: dict[str, float] = {}
    megabytes: int | None = None
    embedded: bool = False
    changelog: dict[str, str] = {}
    manifest_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    mirrors: tuple[Mirror, ...] = ()
    recipe: Recipe

    @model_validator(mode="after")
    def _is_pinned_where_published(self) -> ZooEntry:
        if bool(self.mirrors) != bool(self.manifest_sha256):
            raise ValueError("a published zoo has both manifest_sha256 and mirrors, another neither")
        return self

    @model_validator(mode="after")
    def _splits_are_filled(self) -> ZooEntry:
        if isinstance(self.recipe, RunRecipe):
            runs = self.recipe.runs(list(self.sources))
            if runs != sum(self.splits.values()):
                raise ValueError(f"splits share out {sum(self.splits.values())} runs, the recipe makes {runs}")
        elif set(self.recipe.copies) != set(self.splits):
            raise ValueError(f"copies name {sorted(self.recipe.copies)}, splits {sorted(self.splits)}")
        return self

    @property
    def networks(self) -> int:
        """How many networks the whole zoo has, before duplicates are dropped."""
        if isinstance(self.recipe, RunRecipe):
            return sum(self.splits.values()) * len(self.recipe.kept_epochs)
        return sum(items * self.recipe.copies[split] for split, items in self.splits.items())

    @property
    def members(self) -> dict[str, int]:
        """How many fits or runs each split of the whole zoo has."""
        copies = {} if isinstance(self.recipe, RunRecipe) else self.recipe.copies
        return {split: items * copies.get(split, 1) for split, items in self.splits.items()}

    @property
    def recipe_sha256(self) -> str:
        """What identifies everybody's build of the whole zoo from the catalogue's raw data."""
        return recipe_digest(self.name, self.version, self.build_dict(None, self.members, self.sources))

    def build_dict(self, seed: int | None, members: dict[str, int], sources: dict[str, str]) -> dict[str, Any]:
        """How a build's networks are made, the `recipe` of its `zoo.json`.

        Arguments:
            seed: in place of the recipe's own; None for that.
            members: how many fits or runs each split has.
            sources: checksums of the raw data sets.
        """
        return self.recipe_dict(seed) | {"splits": members, "sources": sources}

    def recipe_dict(self, seed: int | None = None) -> dict[str, Any]:
        """The recipe as JSON, with `seed` in place of its own if given."""
        return self.recipe.model_copy(update={} if seed is None else {"seed": seed}).model_dump(
            mode="json", exclude_none=True
        )


def recipe_digest(name: str, version: str, recipe: dict[str, Any]) -> str:
    """The `recipe_sha256` of a zoo: name, version and recipe, and how this version of the builder reads that."""
    return digest({"name": name, "version": version, "builder": BUILDER} | recipe)
