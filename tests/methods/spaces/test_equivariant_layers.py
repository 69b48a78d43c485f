"""The equivariant layers of DWSNet and the NFNs leave out no equivariant map."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

import pytest
import torch
from torch import Tensor

import weightbench as wb
from weightbench.methods.dwsnet import DWSLayer
from weightbench.methods.spaces.nfn_linear import NFNLinear
from weightbench.methods.spaces.weight_space import WeightSpace


def elements(sizes: tuple[int, ...], ends: bool) -> Iterator[Tensor]:
    """Every permutation of an MLP's parameters that permutes neurons, written out without the library."""
    fixed = [tuple(range(n)) for n in sizes]
    levels = [permutations(range(n)) if ends or 0 < k < len(sizes) - 1 else [fixed[k]] for k, n in enumerate(sizes)]
    for chosen in product(*levels):
        parts, start = [], 0
        for k in range(len(sizes) - 1):
            rows, columns = torch.tensor(chosen[k + 1]), torch.tensor(chosen[k])
            weight = start + torch.arange(sizes[k + 1] * sizes[k]).view(sizes[k + 1], sizes[k])
            bias = start + weight.numel() + torch.arange(sizes[k + 1])
            parts += [weight[rows][:, columns].flatten(), bias[rows]]
            start += weight.numel() + len(bias)
        yield torch.cat(parts)


@pytest.mark.parametrize("sizes", [(2, 3, 3, 1), (2, 3, 2), (1, 2, 3, 2, 2)])
@pytest.mark.parametrize("kind", ["dws", "np", "hnp"])
def test_a_layer_spans_all_equivariant_maps(kind: str, sizes: tuple[int, ...]) -> None:
    """The rank of the linear maps that parameters can make is the dimension of all maps that commute with the group,
    which for a permutation representation is the mean of the squared number of fixed points (Burnside)."""
    torch.manual_seed(0)
    arch = wb.Architecture.mlp(sizes, "tanh")
    space = WeightSpace(arch, kind, permute_ends=kind == "np")
    unit = wb.Networks(arch, torch.eye(arch.num_params).double())
    zero = wb.Networks(arch, torch.zeros(1, arch.num_params).double())
    maps = []
    group = list(elements(sizes, ends=kind == "np"))
    dimension = sum((g == torch.arange(len(g))).sum().item() ** 2 for g in group) / len(group)
    for _ in range(int(dimension) + 10):
        if kind == "dws":
            layer = DWSLayer(space, 1, 1, set_layer="deepsets", heads=1, pooling="mean").double()
        else:
            layer = NFNLinear(space, 1, 1).double()
        with torch.no_grad():
            made = space.params(layer(space.features(unit))) - space.params(layer(space.features(zero)))
        maps.append(made.flatten() / made.norm())
        for g in group[:: len(group) // 3]:
            torch.testing.assert_close(made[g][:, g], made)
    assert torch.linalg.matrix_rank(torch.stack(maps), rtol=1e-9).item() == dimension
