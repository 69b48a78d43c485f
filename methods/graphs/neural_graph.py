"""Neural graphs: a network's neurons as nodes, its weights as edges (Kofinas et al., ICLR 2024, arXiv:2403.12143).

`zoo.networks.neuron_graph` says what is a node, an edge and a feature of which, for any network: neurons (of a
convolution: channels) are nodes, with their bias, and what normalisations and embeddings know of them; weights are
edges, with the weight, the flattened kernel, or the weights of a flattened feature map. Residual connections, queries
with keys and heads with their neurons are ties, edges of weight 1.

Here the nodes are put into *levels* whose nodes have alike neighbours, inputs first, and the edges between two levels
into *blocks*, dense tensors `[B, out, in, d]`: nothing is gathered or scattered. A level is what one operation makes,
or, where others read or tie parts of it alone (groups of channels, summands of joined maps), one of these parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

from torch import Tensor

from ...zoo.networks.architecture import Architecture
from ...zoo.networks.neuron_graph import NeuronGraph, NodeFeatures, TiedNodes, WeightEdges, neuron_graph
from ...zoo.networks.operations.elementwise import Activation, ActivationName
from ...zoo.networks.operations.wires import Segment

ACTIVATIONS: tuple[ActivationName, ...] = get_args(ActivationName)


class EdgeBlock(NamedTuple):
    """The edges from one level to another: of a tensor, dense, or ties.

    A tie goes from neuron to neuron, or, where one level has fewer, from each of these to as many of the other.
    Features are `[B, out, in, d]`, of ties `[B, n, neighbours, d]`, in both directions.

    Arguments:
        number: of the layout's edges.
    """

    source: int
    target: int
    number: int
    dense: bool
    backwards: bool = False

    @property
    def reverse(self) -> EdgeBlock:
        """The same edges, run the other way."""
        return EdgeBlock(self.target, self.source, self.number, self.dense, not self.backwards)

    @property
    def axis(self) -> int:
        """The axis of the features that runs over a target's neighbours."""
        return 1 if self.backwards and self.dense else 2

    def ends(self, target: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Features `[B, n, d]` of the two levels, shaped to meet the edges'."""
        if self.dense:
            return target.unsqueeze(self.axis), source.unsqueeze(3 - self.axis)
        n, m = target.shape[1], source.shape[1]
        if m > n:
            return target.unsqueeze(2), source.unflatten(1, (n, m // n))
        if m < n:
            source = source.unsqueeze(2).expand(-1, -1, n // m, -1).flatten(1, 2)
        return target.unsqueeze(2), source.unsqueeze(2)


class LevelRole(NamedTuple):
    """What a level is to the network.

    Arguments:
        kind: "input" also for the words of a vocabulary; "bundle" for heads and groups.
        number: of hidden levels which one, counted from the input; of inputs and outputs the first neuron's.
    """

    kind: Literal["input", "hidden", "output", "bundle"]
    number: int


@dataclass(frozen=True)
class GraphLayout:
    """The graph of an architecture.

    Arguments:
        levels: the neurons of each level; those that nothing reads or writes are left out.
        roles: of every level.
        edges: of weights in the order of the tensors, then ties.
        blocks: of the edges, one each.
        features: of every level's nodes.
        activations: index in `ACTIVATIONS` per level, "identity" for inputs.
        outputs: the output levels, in order.
        kernel: length of the longest edge feature.
    """

    levels: tuple[Segment, ...]
    roles: tuple[LevelRole, ...]
    edges: tuple[WeightEdges | TiedNodes, ...]
    blocks: tuple[EdgeBlock, ...]
    features: tuple[tuple[NodeFeatures, ...], ...]
    activations: tuple[int, ...]
    outputs: tuple[int, ...]
    kernel: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Nodes per level."""
        return tuple(level.neurons for level in self.levels)

    @property
    def ends(self) -> tuple[int, int]:
        """How many input nodes there are, words of a vocabulary among them, and output nodes."""
        inputs = sum(n for n, role in zip(self.widths, self.roles, strict=True) if role.kind == "input")
        return inputs, sum(self.levels[level].neurons for level in self.outputs)

    @property
    def hidden(self) -> int:
        """Hidden levels, parts of one counted once."""
        return max((role.number + 1 for role in self.roles if role.kind == "hidden"), default=0)

    @property
    def incoming(self) -> list[int]:
        """Edges from earlier levels to each node of a level."""
        degrees, widths = [0] * len(self.levels), self.widths
        for block in self.blocks:
            source, target = widths[block.source], widths[block.target]
            degrees[block.target] += source if block.dense else max(1, source // target)
        return degrees

    @property
    def degrees(self) -> list[int]:
        """Neighbours of each node of a level, in both directions."""
        degrees, widths = self.incoming, self.widths
        for block in self.blocks:
            source, target = widths[block.source], widths[block.target]
            degrees[block.source] += target if block.dense else max(1, target // source)
        return degrees

    def nodes(self, level: int) -> slice:
        """Where a level lies among all nodes."""
        widths = self.widths
        return slice(sum(widths[:level]), sum(widths[: level + 1]))

    def reached(self, levels: frozenset[int], backwards: bool = True) -> frozenset[int]:
        """`levels` and those that messages to them come from, over edges forwards and, if so, backwards."""
        blocks = [*self.blocks, *(block.reverse for block in self.blocks if backwards)]
        return levels | {block.source for block in blocks if block.target in levels}


@cache
def layout_of(arch: Architecture) -> GraphLayout:
    """The graph of an architecture."""
    graph = neuron_graph(arch)
    cuts = [sorted(bounds) for bounds in _bounds(graph)]

    def parts(whole: Segment) -> Iterator[Segment]:
        """The levels that neurons consist of, with the block of `whole`."""
        for start, stop in pairwise(cuts[whole.level]):
            if whole.start <= start and stop <= whole.start + whole.neurons:
                yield whole._replace(start=start, neurons=stop - start)

    edges: list[WeightEdges | TiedNodes] = []
    for found in graph.weights:
        edges += [
            found._replace(
                target=target,
                source=source,
                rows=_places(found.rows[0], found.target, target),
                columns=_places(found.columns[0], found.source, source),
            )
            for target in parts(found.target)
            for source in parts(found.source)
        ]
    edges += dict.fromkeys(part for tie in graph.ties for part in _cut(tie, parts))
    ends = {(end.level, end.start) for edge in edges for end in (edge.target, edge.source)}
    ends |= {(part.level, part.start) for output in graph.outputs for part in parts(output)}
    levels = [
        Segment(level, start, stop - start)
        for level, bounds in enumerate(cuts)
        for start, stop in pairwise(bounds)
        if (level, start) in ends
    ]
    place = {(level.level, level.start): number for number, level in enumerate(levels)}
    features: list[list[NodeFeatures]] = [[] for _ in levels]
    for feature in graph.features:
        for nodes in parts(feature.nodes):
            if (number := place.get((nodes.level, nodes.start))) is not None:
                rows = _places(feature.rows[0], feature.nodes, nodes)
                features[number].append(feature._replace(nodes=nodes, rows=rows))
    return GraphLayout(
        tuple(levels),
        tuple(_roles(graph, levels)),
        tuple(edges),
        tuple(
            EdgeBlock(
                place[edge.source.level, edge.source.start],
                place[edge.target.level, edge.target.start],
                number,
                isinstance(edge, WeightEdges),
            )
            for number, edge in enumerate(edges)
        ),
        tuple(map(tuple, features)),
        _activations(arch, levels),
        tuple(dict.fromkeys(place[part.level, part.start] for output in graph.outputs for part in parts(output))),
        max(edge.length(arch) for edge in edges if isinstance(edge, WeightEdges)),
    )


def _places(first: int, whole: Segment, part: Segment) -> tuple[int, int]:
    """Where a part of some neurons lies on an axis on which the whole begins at `first`."""
    start = first + (part.start - whole.start) * whole.block
    return start, start + part.neurons * whole.block


def _bounds(graph: NeuronGraph) -> list[set[int]]:
    """Where each of the graph's levels has to be cut, so that every edge's ends are whole parts."""
    bounds = [{0, width} for width in graph.widths]
    ends = [end for weights in graph.weights for end in (weights.target, weights.source)]
    ends += [end for tie in graph.ties for end in (tie.target, tie.source)]
    for end in ends + [feature.nodes for feature in graph.features]:
        bounds[end.level] |= {end.start, end.start + end.neurons}
    size = 0
    while size < (size := sum(map(len, bounds))):  # what is tied is cut alike
        for tie in graph.ties:
            few, many = sorted((tie.source, tie.target), key=lambda end: end.neurons)
            ratio = many.neurons // few.neurons
            for cut in bounds[few.level] - {0}:
                if few.start <= cut <= few.start + few.neurons:
                    bounds[many.level].add(many.start + (cut - few.start) * ratio)
            for cut in tuple(bounds[many.level]):
                if many.start <= cut <= many.start + many.neurons:
                    at, rest = divmod(cut - many.start, ratio)
                    bounds[few.level] |= {few.start + at, few.start + at + (rest > 0)}
    return bounds


def _cut(tie: TiedNodes, parts: Callable[[Segment], Iterator[Segment]]) -> Iterator[TiedNodes]:
    """The ties between the levels that both sides consist of."""
    few, many = sorted((tie.source, tie.target), key=lambda end: end.neurons)
    ratio = many.neurons // few.neurons
    for one in parts(few):
        start, stop = ((bound - few.start) * ratio for bound in (one.start, one.start + one.neurons))
        for other in parts(many):
            if start <= other.start - many.start < stop:
                ends = (other, one) if tie.source == few else (one, other)
                yield TiedNodes(*ends, tie.kind)


def _roles(graph: NeuronGraph, levels: Sequence[Segment]) -> list[LevelRole]:
    outputs, width = {}, 0
    for segment in graph.outputs:
        if segment.level not in outputs:
            outputs[segment.level] = width
            width += segment.neurons
    inputs, hidden = 0, dict[int, int]()
    roles = []
    for level, start, neurons, *_ in levels:
        if level in graph.named:
            roles.append(LevelRole("input", inputs))
            inputs += neurons
        elif level in outputs:
            roles.append(LevelRole("output", outputs[level] + start))
        elif level >= len(graph.widths) - graph.bundles:
            roles.append(LevelRole("bundle", 0))
        else:
            roles.append(LevelRole("hidden", hidden.setdefault(level, len(hidden))))
    return roles


def _activations(arch: Architecture, levels: Sequence[Segment]) -> tuple[int, ...]:
    """The last activation that each level's neurons pass by themselves or with others."""
    found: dict[int, str] = {}
    for operation, axis in zip(arch.operations, arch.wiring("permutation").values[1:], strict=True):
        if isinstance(operation, Activation):
            found |= {segment.level: operation.name for segment in axis}
    names: Sequence[str] = ACTIVATIONS
    return tuple(names.index(found.get(level.level, "identity")) for level in levels)
