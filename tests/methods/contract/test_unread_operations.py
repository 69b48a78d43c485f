"""Methods that read chains of layers refuse what else a network may consist of, by the operation's name."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

import weightbench as wb
from weightbench.methods.contract.registry import load_class, load_method, method_names
from weightbench.methods.spaces.weight_space import WeightSpace
from weightbench.methods.training.augmentation import compose
from weightbench.runtime.errors import BadInput

NORMED = wb.Architecture.model_validate(
    {
        "input_shape": [2],
        "operations": [
            {"op": "linear", "in_features": 2, "out_features": 4},
            {"op": "batch-norm", "channels": 4},
            {"op": "activation", "name": "tanh"},
            {"op": "linear", "in_features": 4, "out_features": 1},
        ],
    }
)


@pytest.mark.parametrize("name", method_names())
def test_a_method_reads_any_operation_or_names_the_one_it_does_not(name: str) -> None:
    table = {column: [] for column in load_class(name).reads}
    task = SimpleNamespace(splits={"train": SimpleNamespace(table=table)}, architectures=(NORMED,), output="values")
    if load_class(name).any_operation:
        load_method(name, {}).check(task)
    else:
        with pytest.raises(BadInput, match=r"batch-norm \(operation 1\)"):
            load_method(name, {}).check(task)


def test_weight_spaces_of_chains_refuse_the_rest() -> None:
    with pytest.raises(BadInput, match=r"does not read batch-norm \(operation 1\)"):
        WeightSpace(NORMED, "this method")


def test_augmentations_leave_running_statistics_alone() -> None:
    networks = wb.Networks(NORMED, torch.rand(64, NORMED.num_params) + 0.5)
    changed = compose(["noise=0.5", "dropout=0.5", "quantile=0.9"])(networks, torch.Generator().manual_seed(0))
    for tensor in NORMED.tensors:
        same = (changed.params == networks.params)[:, tensor.start : tensor.stop]
        assert same.all() == (not tensor.spec.trained)
    with pytest.raises(BadInput, match="take INRs"):
        compose(["translation"])(networks, torch.Generator())
    assert torch.equal(compose(["phase"])(networks, torch.Generator()).params, networks.params)
