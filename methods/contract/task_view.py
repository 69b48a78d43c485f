"""What a method sees of the task that it is fitted for."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from torch import Tensor

from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split


class TaskView(Protocol):
    """What a method may ask of its task."""

    @property
    def name(self) -> str:
        """The name that methods list in `tasks`."""

    @property
    def output(self) -> Literal["logits", "values", "networks", "permutations", "embeddings"]:
        """What will be called and what it returns.

        "logits" and "values": `predict`, a tensor `[B, output_dim]`. "networks": `predict`, edited `Networks`.
        "permutations": `align`. "embeddings": `transform`; `fit` has no targets then.
        """

    @property
    def metric(self) -> str:
        """The name of what `quality` computes."""

    @property
    def higher_is_better(self) -> bool:
        """The direction of `quality`."""

    @property
    def inputs_may_move(self) -> bool:
        """Whether the answer stays where a network's inputs are rotated, shifted or scaled a little."""

    @property
    def splits(self) -> dict[str, Split]:
        """What `fit` is given, "train" and "val"."""

    @property
    def architectures(self) -> list[Architecture]:
        """Those of all networks of the zoo."""

    @property
    def output_dim(self) -> int:
        """Length of logits or values; for editing, of a network's parameters."""

    def targets(self, split: Split) -> Tensor:
        """What is to be predicted, `[N, ...]` in the order of the split's table: class numbers `[N]` for logits."""

    def observe(self, output: Any) -> Tensor:
        """The part of an output that is compared with targets, `[B, ...]`; of edited networks, the rendered images."""

    def loss(self, output: Any, targets: Tensor) -> Tensor:
        """The differentiable training loss `[]` of a batch, a mean over its networks."""

    def quality(self, observed: Tensor, targets: Tensor) -> float:
        """The task's metric of what `observe` returned, for choosing on the validation split."""

    def render(self, networks: Networks) -> Tensor:
        """The images that INRs encode, `[B, height, width]` or `[B, height, width, channels]`. Raises BadInput."""

    @property
    def coordinates(self) -> Tensor:
        """Where `render` evaluates INRs, `[pixels, 2]`, row by row. Raises BadInput."""
