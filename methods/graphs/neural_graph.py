"""Neural graphs: a network's neurons as nodes, its weights as edges (Kofinas et al., ICLR 2024, arXiv:2403.12143).

Neurons (of a convolution: channels) are nodes, their feature is the bias; weights are edges, their feature is the
weight, the flattened kernel, or the weights of a flattened feature map, padded with zeros to the longest. Residual
connections are edges of weight 1 from neuron to neuron. The nodes of one layer form a *level*, inputs first; the edges
of one weight matrix form a *block*, a dense tensor `[B, out, in, d]`: nothing is gathered or scattered.

One module takes networks of any width, depth, kernel and activation. What they share: hidden levels are counted from
the input and the last level has a place of its own, in the statistics, the position embeddings and the maps of probe
features (`Slots`). Only inputs and outputs have an embedding per neuron, so that their number is fixed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, get_args

from torch import Tensor

from ...runtime.errors import BadInput
from ...zoo.networks.architecture import Architecture
from ...zoo.networks.operations.elementwise import Activation, ActivationName
from ...zoo.networks.operations.joining import Add
from ...zoo.networks.operations.layers import Conv2d, Linear

ACTIVATIONS: tuple[ActivationName, ...] = get_args(ActivationName)


class EdgeBlock(NamedTuple):
    """The edges of the weight matrix `layer`, or neuron to neuron (None, residual), from a level to another.

    Their features are `[B, out, in, d]`, `[B, n, 1, d]` for residual ones, in both directions.
    """

    source: int
    target: int
    layer: int | None
    backwards: bool = False

    @property
    def reverse(self) -> EdgeBlock:
        """The same edges, run the other way."""
        return EdgeBlock(self.target, self.source, self.layer, not self.backwards)

    @property
    def axis(self) -> int:
        """The axis of the features that runs over a target's neighbours."""
        return 1 if self.backwards and self.layer is not None else 2

    def ends(self, target: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Features `[B, n, d]` of the two levels, shaped to meet the edges'."""
        return target.unsqueeze(self.axis), source.unsqueeze(2 if self.layer is None else 3 - self.axis)


@dataclass(frozen=True)
class GraphLayout:
    """The graph of an architecture.

    Arguments:
        widths: nodes per level.
        blocks: weight matrices in order, then residual connections.
        activations: index in `ACTIVATIONS` per level, "identity" for inputs.
        kernel: length of the longest edge feature.
    """

    widths: tuple[int, ...]
    blocks: tuple[EdgeBlock, ...]
    activations: tuple[int, ...]
    kernel: int

    @property
    def incoming(self) -> list[int]:
        """Edges from earlier levels to each node of a level."""
        degrees = [0] * len(self.widths)
        for source, target, layer, _ in self.blocks:
            degrees[target] += 1 if layer is None else self.widths[source]
        return degrees

    @property
    def degrees(self) -> list[int]:
        """Neighbours of each node of a level, in both directions."""
        degrees = self.incoming
        for source, target, layer, _ in self.blocks:
            degrees[source] += 1 if layer is None else self.widths[target]
        return degrees

    def nodes(self, level: int) -> slice:
        """Where a level lies among all nodes."""
        return slice(sum(self.widths[:level]), sum(self.widths[: level + 1]))

    def reached(self, levels: frozenset[int], backwards: bool = True) -> frozenset[int]:
        """`levels` and those that messages to them come from, over edges forwards and, if so, backwards."""
        blocks = [*self.blocks, *(block.reverse for block in self.blocks if backwards)]
        return levels | {block.source for block in blocks if block.target in levels}


@cache
def layout_of(arch: Architecture) -> GraphLayout:
    """Raises BadInput for what is no chain of layers, and for residual edges between levels of different width."""
    if arch.beyond_chain is not None:
        raise BadInput(f"{arch}: neural graphs here are of linear and convolutional layers, not of {arch.beyond_chain}")
    widths, activations, kernel = [arch.input_shape[0]], ["identity"], 1
    blocks: list[EdgeBlock] = []
    residual: list[EdgeBlock] = []
    after: list[int] = []  # level after each operation
    for operation, sources in zip(arch.operations, arch.sources, strict=True):
        match operation:
            case Linear() | Conv2d():
                blocks.append(EdgeBlock(len(blocks), len(blocks) + 1, len(blocks)))
                kernel = max(kernel, math.prod(operation.weight_shape[1:]) // widths[-1])
                widths.append(operation.weight_shape[0])
                activations.append("identity")
            case Activation(name=name):
                activations[-1] = name
            case Add():
                origin = 0 if sources[1] < 0 else after[sources[1]]
                if widths[origin] != widths[-1]:
                    raise BadInput(f"{arch}: a residual edge joins levels of {widths[origin]} and {widths[-1]} neurons")
                residual.append(EdgeBlock(origin, len(blocks), None))
        after.append(len(blocks))
    names: Sequence[str] = ACTIVATIONS
    return GraphLayout(
        tuple(widths), tuple(dict.fromkeys(blocks + residual)), tuple(map(names.index, activations)), kernel
    )


class Slots:
    """Which learned part a level or layer of a network shares: counted from the input, the last by itself.

    Arguments:
        architectures: all that may come.
    """

    def __init__(self, architectures: Sequence[Architecture]) -> None:
        layouts = [layout_of(arch) for arch in architectures]
        self.input_shape = architectures[0].input_shape
        self.inputs, self.outputs = layouts[0].widths[0], layouts[0].widths[-1]
        self.layers = max(len(arch.layers) for arch in architectures)
        self.kernel = max(layout.kernel for layout in layouts)

    def check(self, arch: Architecture) -> GraphLayout:
        """The graph. Raises BadInput for an architecture that is deeper, or reads or writes something else."""
        layout = layout_of(arch)
        for what, found, limit in (
            ("layers", len(arch.layers), self.layers),
            ("values per edge", layout.kernel, self.kernel),
        ):
            if found > limit:
                raise BadInput(f"{arch} has {found} {what}, the method was built for at most {limit}: train anew")
        ends, expected = (layout.widths[0], layout.widths[-1]), (self.inputs, self.outputs)
        if ends != expected:
            raise BadInput(
                f"{arch} has {ends[0]} inputs and {ends[1]} outputs, the method was built for {expected[0]} "
                f"and {expected[1]}: train anew"
            )
        return layout

    def layer(self, arch: Architecture, layer: int) -> int:
        """The slot of a layer, 0 to `layers - 1`."""
        return layer if layer < len(arch.layers) - 1 else self.layers - 1

    def level(self, arch: Architecture, level: int) -> int:
        """The slot of a level, 0 to `layers`."""
        return level if level < len(arch.layers) else self.layers

    def rows(self, arch: Architecture, level: int) -> slice:
        """Position embeddings of a level: a row for each input, hidden level and output."""
        if level == 0:
            return slice(0, self.inputs)
        if level == len(arch.layers):
            return slice(self.inputs + self.layers - 1, None)
        return slice(self.inputs + level - 1, self.inputs + level)

    @property
    def positions(self) -> int:
        """How many position embeddings there are."""
        return self.inputs + self.layers - 1 + self.outputs


def require_single_mlp(architectures: Sequence[Architecture], name: str) -> Architecture:
    """The one architecture of an editing task. Raises BadInput for several, and for networks that are no MLPs."""
    if len(architectures) != 1 or layout_of(architectures[0]).kernel > 1:
        raise BadInput(f"{name} edits MLPs of one architecture, not {', '.join(map(str, architectures))}")
    return architectures[0]


def require_readable(architectures: Sequence[Architecture], name: str, *, editing: bool) -> None:
    """Refuse, before a fit, what a graph network cannot read or edit. Raises BadInput."""
    if editing:
        require_single_mlp(architectures, name)
    ends = {(layout_of(arch).widths[0], layout_of(arch).widths[-1]) for arch in architectures}
    if len(ends) > 1:
        raise BadInput(f"{name} takes networks of equal inputs and outputs, this zoo has {sorted(ends)}")
