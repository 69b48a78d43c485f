"""The graph of a network's neurons, torch-free: what is a node, an edge and a feature of which, for any architecture.

Levels of neurons are nodes (Kofinas et al. 2024). A tensor that is written to one level and reads another is edges
between them, one that is written to a level alone is features of its nodes; ties, as of a residual stream or of
queries with keys, are edges without a weight. Heads of attention and groups of a normalisation, which no tensor shows,
are nodes too, tied to their neurons.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

from .architecture import Architecture
from .operations.wires import Axis, Bundle, Label, Segment, Tie, part_of

LAYERS = ("linear", "conv2d")  # operations whose bias is that of the neurons they make


class WeightEdges(NamedTuple):
    """All edges between two stretches of neurons that a tensor holds, dense.

    Arguments:
        tensor: its number, `target_axis` that of its shape which is written, `source_axis` that which is read.
        target, source: the neurons at both ends.
        rows, columns: first and last + 1 of the tensor's axes for these neurons.
        kind: the operation whose tensor it is.
    """

    tensor: int
    target_axis: int
    source_axis: int
    target: Segment
    source: Segment
    rows: tuple[int, int]
    columns: tuple[int, int]
    kind: str

    def length(self, arch: Architecture) -> int:
        """Numbers per edge: kernel elements times places of a flattened feature map."""
        shape = arch.tensors[self.tensor].shape
        kernel = math.prod(shape) // (shape[self.target_axis] * shape[self.source_axis])
        return kernel * self.target.block * self.source.block


class NodeFeatures(NamedTuple):
    """A tensor, or part of it, that belongs to a stretch of neurons: `rows` of its `axis`.

    Arguments:
        kind: "bias" of the layer that makes the neurons; else the operation and the tensor's role in it.
    """

    tensor: int
    axis: int
    nodes: Segment
    rows: tuple[int, int]
    kind: str

    def length(self, arch: Architecture) -> int:
        """Numbers per node."""
        shape = arch.tensors[self.tensor].shape
        return math.prod(shape) // shape[self.axis] * self.nodes.block


class TiedNodes(NamedTuple):
    """Edges without a weight, from each neuron of `source` to its like in `target`.

    Where one side has fewer neurons, each of them is tied to as many of the other, side by side: a channel to the
    places of its flattened map, a head to its neurons.

    Arguments:
        kind: the operation that ties them, "depthwise" for such convolutions; for heads and groups with the number of
            the axis that is cut into them.
    """

    target: Segment
    source: Segment
    kind: str


class NeuronGraph(NamedTuple):
    """Nodes, edges and features of an architecture's graph.

    Arguments:
        widths: nodes per level; level 0 are the inputs, the last ones may be heads and groups.
        weights: edges with weights, in the order of the tensors.
        ties: edges without.
        features: tensors of nodes.
        named: levels whose nodes are told apart by their place: inputs and vocabularies.
        outputs: the nodes of the output, in order.
        bundles: how many of the levels, the last ones, are heads and groups.
    """

    widths: tuple[int, ...]
    weights: tuple[WeightEdges, ...]
    ties: tuple[TiedNodes, ...]
    features: tuple[NodeFeatures, ...]
    named: frozenset[int]
    outputs: tuple[Segment, ...]
    bundles: int


def stretches(axis: Axis) -> list[tuple[Segment, tuple[int, int]]]:
    """Every segment of an axis with its first place and last + 1."""
    found, at = [], 0
    for segment in axis:
        found.append((segment, (at, at + segment.neurons * segment.block)))
        at += segment.neurons * segment.block
    return found


@lru_cache(maxsize=256)
def neuron_graph(arch: Architecture) -> NeuronGraph:
    """The graph of an architecture."""
    wires, values = arch.wiring("permutation")
    numbers = {(tensor.operation, tensor.kind): number for number, tensor in enumerate(arch.tensors)}
    widths = list(wires.sizes)
    weights: list[WeightEdges] = []
    ties: list[TiedNodes] = []
    features: list[NodeFeatures] = []
    for event in wires.events:
        kind = arch.operations[event.operation].op
        if isinstance(event, Tie):
            ties += _tied(event.a, event.b, "depthwise" if kind == "conv2d" else kind)
        elif isinstance(event, Bundle):
            if kind != "conv2d":  # groups of channels are told apart by the weights between them
                ties += _bundled(event, len(widths), kind)
                widths.append(event.parts)
        else:
            tensor = numbers[event.operation, event.role]
            written = next((i, a) for i, a in enumerate(event.axes) if a is not None and a[0].power > 0)
            read = next(((i, a) for i, a in enumerate(event.axes) if a is not None and a[0].power < 0), None)
            if read is None:
                name = event.role if kind in LAYERS and event.role == "bias" else f"{kind} {event.role}"
                features += [
                    NodeFeatures(tensor, written[0], nodes, rows, name) for nodes, rows in stretches(written[1])
                ]
            else:
                weights += _weighted(event, tensor, arch.tensors[tensor].shape, written, read, kind)
    return NeuronGraph(
        tuple(widths),
        tuple(weights),
        tuple(ties),
        tuple(features),
        frozenset(wires.named),
        tuple(values[-1]),
        len(widths) - len(wires.sizes),
    )


def _weighted(
    label: Label, tensor: int, shape: tuple[int, ...], written: tuple[int, Axis], read: tuple[int, Axis], kind: str
) -> list[WeightEdges]:
    """A tensor's edges, from every stretch that it reads to every one that it is written to."""
    found = []
    for number in range(label.groups):
        target, source = (part_of(axis, label.groups, number) for axis in (written[1], read[1]))
        offset = number * shape[written[0]] // label.groups
        found += [
            WeightEdges(tensor, written[0], read[0], nodes, origin, (a + offset, b + offset), columns, kind)
            for nodes, (a, b) in stretches(target or ())
            for origin, columns in stretches(source or ())
        ]
    return found


def _bundled(bundle: Bundle, level: int, kind: str) -> list[TiedNodes]:
    """Ties of the parts of a bundle, nodes of the new `level`, to their neurons."""
    found = []
    for number, axis in enumerate(bundle.axes):
        name = f"{kind} {number}"
        parts = [part_of(axis, bundle.parts, part) for part in range(bundle.parts)]
        if len(axis) == 1 and None not in parts:
            found.append(TiedNodes(axis[0], Segment(level, 0, bundle.parts), name))
        else:
            found += [
                TiedNodes(nodes, Segment(level, number, 1), name)
                for number, part in enumerate(parts)
                for nodes in part or ()
            ]
    return found


def _tied(a: Axis, b: Axis, kind: str) -> list[TiedNodes]:
    """The common stretches of two axes of one length, as far as no neuron's block is cut."""
    found: list[TiedNodes] = []
    rest = [list(a), list(b)]
    while rest[0] and rest[1]:
        x, y = rest[0].pop(0), rest[1].pop(0)
        length = min(x.neurons * x.block, y.neurons * y.block)
        if max(x.block, y.block) % min(x.block, y.block) or length % max(x.block, y.block):
            break
        counts = length // x.block, length // y.block
        found.append(TiedNodes(x._replace(neurons=counts[0]), y._replace(neurons=counts[1]), kind))
        for segment, count, others in zip((x, y), counts, rest, strict=True):
            if segment.neurons > count:
                others.insert(0, segment._replace(start=segment.start + count, neurons=segment.neurons - count))
    return found
