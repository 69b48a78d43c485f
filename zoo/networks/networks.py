"""`Networks`: a batch of networks of one architecture, held in one contiguous parameter tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from . import symmetry
from .architecture import Architecture
from .evaluation import evaluate, split_params

if TYPE_CHECKING:
    from torch_geometric.data import Data


@dataclass(frozen=True, eq=False)
class Networks:
    """B networks of one architecture.

    Arguments:
        arch: their common architecture.
        params: float tensor `[B, P]`, every network's tensors in state-dict order.

    Raises ValueError when `params` is not `[B, arch.num_params]`.

    Example:
        >>> import torch
        >>> import weightbench as wb
        >>> arch = wb.Architecture.mlp((2, 8, 1), "relu")
        >>> networks = wb.Networks(arch, torch.randn(5, arch.num_params))
        >>> networks.weights[0].shape, networks.forward(torch.zeros(3, 2)).shape
        (torch.Size([5, 8, 2]), torch.Size([5, 3, 1]))
        >>> reordered = networks.permuted([torch.randperm(8).repeat(5, 1)])
        >>> x = torch.randn(3, 2)
        >>> torch.allclose(reordered.forward(x), networks.forward(x), atol=1e-5)
        True
    """

    arch: Architecture
    params: Tensor

    def __post_init__(self) -> None:
        if self.params.ndim != 2 or self.params.shape[1] != self.arch.num_params:
            raise ValueError(
                f"params of shape {tuple(self.params.shape)}, but {self.arch} has [B, {self.arch.num_params}]"
            )

    @cached_property
    def layers(self) -> list[dict[str, Tensor]]:
        """Per layer its tensors `[B, *shape]` by role, views of `params`: "weight", "bias", running statistics."""
        return split_params(self.arch, self.params)

    @property
    def weights(self) -> list[Tensor]:
        """Per layer its weight, for linear ones and convolutions `[B, out, in, *kernel]`, views of `params`."""
        return [layer["weight"] for layer in self.layers]

    @property
    def biases(self) -> list[Tensor | None]:
        """Per layer `[B, out]`, views of `params`; None for a layer without bias."""
        return [layer.get("bias") for layer in self.layers]

    def __len__(self) -> int:
        return self.params.shape[0]

    def __getitem__(self, index: int | slice | Tensor | Sequence[int]) -> Networks:
        """The chosen networks; an integer gives a batch of one."""
        if isinstance(index, int):
            index = slice(index, index + 1 or None)
        return Networks(self.arch, self.params[index])

    def to(self, device: torch.device | str) -> Networks:
        """The networks on another device."""
        return Networks(self.arch, self.params.to(device))

    def forward(self, x: Tensor) -> Tensor:
        """Every network's output.

        Arguments:
            x: `[n, *input_shape]` (the same inputs for all) or `[B, n, *input_shape]`.

        Returns `[B, n, *output_shape]`, the output offset included.
        """
        return evaluate(self.arch, self.params, x)[0]

    def features(self, x: Tensor) -> list[Tensor]:
        """The value of every neuron on `x`: inputs, each layer after its activation, last the output (with offset)."""
        return evaluate(self.arch, self.params, x, features=True)[1]

    def permuted(self, permutations: Sequence[Tensor]) -> Networks:
        """The same functions with hidden neurons in another order.

        Arguments:
            permutations: one index tensor `[B, size]` for each group of `symmetry.neuron_groups(arch, "permutation")`;
                `symmetry.sample` draws them.
        """
        return self.transformed("permutation", permutations)

    def rescaled(self, factors: Sequence[Tensor], kind: symmetry.Kind) -> Networks:
        """The same functions with hidden neurons' outputs multiplied by `factors` and divided out again.

        Arguments:
            factors: one tensor `[B, size]` for each group of `symmetry.neuron_groups(arch, kind)`: -1 or 1 for
                kind "sign", positive for kind "scale".
        """
        return self.transformed(kind, factors)

    def transformed(self, kind: symmetry.Kind, elements: Sequence[Tensor]) -> Networks:
        """The same functions, with parameters changed by `elements` of a symmetry.

        Arguments:
            elements: one tensor `[B, size]` for each group of `symmetry.neuron_groups(arch, kind)`, as
                `symmetry.sample` draws them: see `permuted` and `rescaled`.

        Raises ValueError for elements of other shapes.
        """
        return Networks(self.arch, symmetry.apply(self.arch, self.params, kind, elements))

    def state_dicts(self) -> list[dict[str, Tensor]]:
        """One state dict per network, of views, with the names of the equal `torch.nn.Sequential`."""
        tensors = self.arch.tensors
        return [{t.name: row[t.start : t.stop].view(t.shape) for t in tensors} for row in self.params]

    @classmethod
    def from_state_dicts(cls, arch: Architecture, state_dicts: Sequence[Mapping[str, Tensor]]) -> Networks:
        """Pack state dicts whose tensors come in the architecture's order, whatever their names.

        Counters of batches seen (`num_batches_tracked`), which no output depends on, are left out.

        Raises ValueError that names the first tensor whose shape differs.
        """
        rows = []
        for number, given in enumerate(state_dicts):
            state = {name: value for name, value in given.items() if not name.endswith("num_batches_tracked")}
            if len(state) != len(arch.tensors):
                raise ValueError(f"state dict {number} has {len(state)} tensors, {arch} has {len(arch.tensors)}")
            for (name, value), tensor in zip(state.items(), arch.tensors, strict=True):
                if tuple(value.shape) != tensor.shape:
                    raise ValueError(
                        f"state dict {number}: {name} is {tuple(value.shape)}, {tensor.name} should be {tensor.shape}"
                    )
            rows.append(torch.cat([value.detach().float().flatten() for value in state.values()]))
        params = torch.stack(rows) if rows else torch.empty(0, arch.num_params)
        return cls(arch, params)

    def to_pyg(self) -> list[Data]:
        """One `torch_geometric.data.Data` graph per network; see `networks.graph.to_pyg`."""
        from .graph import to_pyg  # torch_geometric takes a second to import

        return to_pyg(self.arch, self.params)
