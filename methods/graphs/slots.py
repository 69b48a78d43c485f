"""What networks of any width and depth share of a graph method's learned parts, and which networks it can read."""

from __future__ import annotations

from collections.abc import Sequence

from ...runtime.errors import BadInput
from ...zoo.networks.architecture import Architecture
from ..contract.network_checks import require_probeable
from .neural_graph import GraphLayout, layout_of


class Slots:
    """Which learned part a level of a network shares: hidden levels are counted from the input, outputs have their own.

    Slot 0 are the inputs, then come the hidden levels, the outputs, and heads and groups last. A network that is deeper
    than all training networks has its deepest hidden levels in one slot. Only inputs and outputs have an embedding per
    neuron, so that their number is fixed; where architectures differ in it, one for all.

    Arguments:
        architectures: all that may come.
        trained: those of the training networks; without, all.
        any_ends: nothing is learned of single inputs and outputs, whose number may be any.
    """

    def __init__(
        self,
        architectures: Sequence[Architecture],
        trained: Sequence[Architecture] | None = None,
        *,
        any_ends: bool = False,
    ) -> None:
        layouts = [layout_of(arch) for arch in architectures]
        seen = [(arch, layout_of(arch)) for arch in trained or architectures]
        self.input_shape = architectures[0].input_shape
        self.ends = tuple(
            found[0] if len(set(found)) == 1 and not any_ends else None
            for found in zip(*(layout.ends for layout in layouts), strict=True)
        )
        self.hidden = max(layout.hidden for _, layout in seen)
        self.count = self.hidden + 3
        self.kernel = max(layout.kernel for layout in layouts)
        self.features: dict[str, int] = {}  # numbers per node of every kind of features but biases
        for arch, layout in seen:
            for feature in (feature for features in layout.features for feature in features):
                if feature.kind != "bias":
                    length = max(feature.length(arch), self.features.get(feature.kind, 0))
                    self.features[feature.kind] = length
        kinds = [edge.kind for _, layout in seen for edge in layout.edges]
        self.kinds = sorted(set(kinds) - {"linear", "conv2d", "add"})  # of edges: what weights and ties do not tell
        self.bundles = any(role.kind == "bundle" for _, layout in seen for role in layout.roles)

    def check(self, arch: Architecture) -> GraphLayout:
        """The graph. Raises BadInput for an architecture that reads or writes something else, or has larger kernels."""
        layout = layout_of(arch)
        if layout.kernel > self.kernel:
            raise BadInput(
                f"{arch} has {layout.kernel} values per edge, the method was built for at most {self.kernel}: "
                "train anew"
            )
        if any(one is not None and one != other for one, other in zip(self.ends, layout.ends, strict=True)):
            inputs, outputs = ("any number of" if end is None else end for end in self.ends)
            raise BadInput(
                f"{arch} has {layout.ends[0]} inputs and {layout.ends[1]} outputs, the method was built for {inputs} "
                f"and {outputs}: train anew"
            )
        return layout

    def slot(self, layout: GraphLayout, level: int) -> int:
        """The slot of a level, 0 to `count` - 1."""
        kind, number = layout.roles[level]
        if kind == "hidden":
            return 1 + min(number, self.hidden - 1) if self.hidden else self.hidden + 1
        return {"input": 0, "output": self.hidden + 1, "bundle": self.hidden + 2}[kind]

    def rows(self, layout: GraphLayout, level: int) -> slice:
        """Position embeddings of a level: a row for each input, hidden level and output, one for heads and groups."""
        slot, width = self.slot(layout, level), layout.levels[level].neurons
        inputs, outputs = self._rows_of_ends
        first = [0, *range(inputs, inputs + self.hidden), inputs + self.hidden, inputs + self.hidden + outputs][slot]
        own = {0: self.ends[0], self.hidden + 1: self.ends[1]}.get(slot)
        if own is None or layout.roles[level].kind not in ("input", "output"):
            return slice(first, first + 1)
        start = first + layout.roles[level].number
        return slice(start, start + width)

    @property
    def positions(self) -> int:
        """How many position embeddings there are."""
        return sum(self._rows_of_ends) + self.hidden + self.bundles

    @property
    def _rows_of_ends(self) -> tuple[int, int]:
        inputs, outputs = (1 if end is None else end for end in self.ends)
        return inputs, outputs


def require_single_mlp(architectures: Sequence[Architecture], name: str) -> Architecture:
    """The one architecture of an editing task. Raises BadInput for several, and for networks that are no MLPs."""
    arch = architectures[0]
    if len(architectures) != 1 or arch.beyond_chain is not None or layout_of(arch).kernel > 1:
        raise BadInput(f"{name} edits MLPs of one architecture, not {', '.join(map(str, architectures))}")
    return arch


def require_equal_ends(architectures: Sequence[Architecture], name: str) -> None:
    """Refuse, before a fit, networks that differ in their inputs or outputs. Raises BadInput."""
    ends = {layout_of(arch).ends for arch in architectures}
    if len(ends) > 1:
        raise BadInput(f"{name} takes networks of equal inputs and outputs, this zoo has {sorted(ends)}")


def require_readable(
    architectures: Sequence[Architecture], name: str, *, outputs_only: bool, probes: int, editing: bool
) -> None:
    """Refuse, before a fit, what a graph network cannot read or edit. Raises BadInput.

    Arguments:
        outputs_only: the outputs' nodes are read side by side, so that their number has to be one.
        probes: how many inputs every network is run on.
    """
    if editing:
        require_single_mlp(architectures, name)
    outputs = sorted({layout_of(arch).ends[1] for arch in architectures})
    if outputs_only and len(outputs) > 1:
        raise BadInput(f"{name} reads equally many outputs, this zoo's networks have {outputs}: choose readout=mean")
    if probes:
        require_probeable(architectures, name)
