"""The graph of a network's neurons, torch-free: what is a node, an edge and a feature of which, for any architecture.

Levels of neurons are nodes (Kofinas et al. 2024). A tensor that is written to one level and reads another is edges
between them, one that is written to a level alone is features of its nodes; ties, as of a residual stream or of
queries with keys, are edges without a weight.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from .architecture import Architecture
from .operations.wires import Axis, Label, Segment, Tie, part_of


class WeightEdges(NamedTuple):
    """All edges between two stretches of neurons that a tensor holds, dense.

    Arguments:
        tensor: its number, `target_axis` that of its shape which is written, `source_axis` that which is read.
        target, source: the neurons at both ends.
        rows, columns: first and last + 1 of the tensor's axes for these neurons.
    """

    tensor: int
    target_axis: int
    source_axis: int
    target: Segment
    source: Segment
    rows: tuple[int, int]
    columns: tuple[int, int]


class NodeFeatures(NamedTuple):
    """A tensor, or part of it, that belongs to a stretch of neurons: `rows` of its `axis`."""

    tensor: int
    axis: int
    nodes: Segment
    rows: tuple[int, int]


class TiedNodes(NamedTuple):
    """Edges without a weight, from each neuron of `source` to its like in `target`."""

    target: Segment
    source: Segment


class NeuronGraph(NamedTuple):
    """Nodes, edges and features of an architecture's graph.

    Arguments:
        widths: nodes per level; level 0 are the inputs.
        weights: edges with weights, in the order of the tensors.
        ties: edges without.
        features: tensors of nodes.
    """

    widths: tuple[int, ...]
    weights: tuple[WeightEdges, ...]
    ties: tuple[TiedNodes, ...]
    features: tuple[NodeFeatures, ...]


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
    wires = arch.wiring("permutation").wires
    numbers = {(tensor.operation, tensor.kind): number for number, tensor in enumerate(arch.tensors)}
    weights: list[WeightEdges] = []
    ties: list[TiedNodes] = []
    features: list[NodeFeatures] = []
    for event in wires.events:
        if isinstance(event, Tie):
            ties += _tied(event.a, event.b)
        elif isinstance(event, Label):
            tensor = numbers[event.operation, event.role]
            written = next((i, a) for i, a in enumerate(event.axes) if a is not None and a[0].power > 0)
            read = next(((i, a) for i, a in enumerate(event.axes) if a is not None and a[0].power < 0), None)
            if read is None:
                features += [NodeFeatures(tensor, written[0], nodes, rows) for nodes, rows in stretches(written[1])]
                continue
            for number in range(event.groups):
                target, source = (part_of(axis, event.groups, number) for axis in (written[1], read[1]))
                offset = number * arch.tensors[tensor].shape[written[0]] // event.groups
                weights += [
                    WeightEdges(tensor, written[0], read[0], nodes, origin, (a + offset, b + offset), columns)
                    for nodes, (a, b) in stretches(target or ())
                    for origin, columns in stretches(source or ())
                ]
    return NeuronGraph(tuple(wires.sizes), tuple(weights), tuple(ties), tuple(features))


def _tied(a: Axis, b: Axis) -> list[TiedNodes]:
    """The common stretches of two axes of one length, where their blocks agree."""
    found: list[TiedNodes] = []
    rest = [list(a), list(b)]
    while rest[0] and rest[1]:
        x, y = rest[0].pop(0), rest[1].pop(0)
        length = min(x.neurons * x.block, y.neurons * y.block)
        if x.block != y.block or length % x.block:
            break
        count = length // x.block
        found.append(TiedNodes(x._replace(neurons=count), y._replace(neurons=count)))
        for segment, others in ((x, rest[0]), (y, rest[1])):
            if segment.neurons > count:
                others.insert(0, segment._replace(start=segment.start + count, neurons=segment.neurons - count))
    return found
