"""Counted operations of training: what a hand counts, and no number changed by counting."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import weightbench as wb
from weightbench.methods import structure_reps
from weightbench.methods.spaces.level_pooling import MatrixMix
from weightbench.methods.training import training_loop
from weightbench.methods.training.training_flops import epoch_flops


class Flat(wb.NeuralMethod):
    """A linear map of the parameters."""

    name, tasks, one_architecture = "flat", ("inr-classification",), True
    epochs: int = 3

    def build(self, task):
        class Linear(nn.Linear):
            def forward(self, networks):
                return super().forward(networks.params)

        return Linear(task.architectures[0].num_params, task.output_dim)


def networks_of(sizes: tuple[int, ...], count: int) -> wb.Networks:
    arch = wb.Architecture.mlp(sizes, "relu")
    return wb.Networks(arch, torch.zeros(count, arch.num_params))


def counted(loss) -> float:
    """The operations of a loss and its gradient, as one network's."""
    return epoch_flops(lambda networks, targets: loss(), [networks_of((2, 3, 1), 1)], [torch.zeros(1)], 8)


def test_a_record_has_the_products_of_all_epochs(small_zoo: Path, tmp_path: Path) -> None:
    (result,) = wb.run(Flat, task="inr-classification", zoo=small_zoo, out=tmp_path)
    zoo = wb.load_zoo(small_zoo)
    forward = 2 * zoo.architectures[0].num_params * 10  # a multiplication and an addition each
    assert result.budget is not None
    assert result.budget["flops"] == 3 * len(zoo["train"]) * 2 * forward  # backward: the gradient of the weights alone


def test_a_method_that_trains_no_module_has_no_figure(small_zoo: Path, tmp_path: Path) -> None:
    (result,) = wb.run("weight-norms", task="inr-classification", zoo=small_zoo, out=tmp_path)
    assert "flops" not in (result.budget or {})


def test_products_in_place_and_attention_on_cpus_count() -> None:
    x, weight = torch.randn(2, 3, 4, 5, requires_grad=True), torch.randn(6, 5, requires_grad=True)
    rows, columns = torch.randn(2, 1, 4, 6), torch.randn(2, 3, 1, 6)
    product = 2 * 2 * 3 * 4 * 5 * 6
    assert counted(lambda: MatrixMix.apply(x, weight, rows, columns).sum()) == 3 * product
    q, k, v = (torch.randn(2, 3, 64, 8, requires_grad=True) for _ in range(3))
    scores = 2 * 2 * 3 * 64 * 64 * 8
    # Forward scores and sum; backward the scores again, and two products for each of the two.
    assert counted(lambda: nn.functional.scaled_dot_product_attention(q, k, v).sum()) == 7 * scores


def test_each_architecture_counts_by_its_own_first_batch() -> None:
    groups = [networks_of((2, 3, 1), 100), networks_of((2, 30, 1), 10)]
    seen = []

    def loss(networks: wb.Networks, targets: torch.Tensor) -> torch.Tensor:
        seen.append((len(networks), len(targets)))
        weights = torch.ones(networks.params.shape[1], 1, requires_grad=True)
        return (networks.params @ weights).sum()

    found = epoch_flops(loss, groups, [torch.zeros(100), torch.zeros(10)], 32)
    assert seen == [(32, 32), (10, 10)]
    assert found == sum(4 * len(networks) * networks.params.shape[1] for networks in groups)


@pytest.mark.parametrize("name", ["nfn-hnp", "ng-gnn", "structure-reps"])
def test_counting_moves_no_answer(name: str, small_zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch norms, dropout and random graphs are where they would be."""
    parameters = {"dropout": 0.2} if name == "ng-gnn" else {"width": 8} if name == "nfn-hnp" else {}
    method = wb.load_method(name, epochs=1, **parameters)
    (counted,) = wb.run(method, task="property", target="psnr", zoo=small_zoo, out=tmp_path / "counted")
    for module in (training_loop, structure_reps):
        monkeypatch.setattr(module, "epoch_flops", lambda *arguments: 0.0)
    (plain,) = wb.run(method, task="property", target="psnr", zoo=small_zoo, out=tmp_path / "plain")
    assert counted.error is None
    assert counted.budget["flops"] > plain.budget["flops"] == 0
    assert counted.predictions == plain.predictions


@pytest.mark.parametrize(("passes", "epochs"), [(1.0, 1), (2.5, 2), (3.0, 3), (9.0, 3)])
def test_a_limit_of_operations_ends_a_training_after_the_epochs_that_fit_in(
    small_zoo: Path, tmp_path: Path, passes: float, epochs: int
) -> None:
    zoo = wb.load_zoo(small_zoo)
    one_epoch = len(zoo["train"]) * 4 * zoo.architectures[0].num_params * 10
    limited = Flat(flop_limit=passes * one_epoch)
    (result,) = wb.run(limited, task="inr-classification", zoo=small_zoo, out=tmp_path / "limited")
    assert result.budget is not None
    assert result.budget["epochs"] == epochs
    assert result.budget["flops"] == epochs * one_epoch
    # The count changes nothing else: the same as so many epochs from the start.
    (plain,) = wb.run(Flat(epochs=epochs), task="inr-classification", zoo=small_zoo, out=tmp_path / "plain")
    assert plain.predictions == result.predictions


def test_a_limit_below_an_epoch_ends_a_training_after_the_batches_that_fit_in(small_zoo: Path, tmp_path: Path) -> None:
    zoo = wb.load_zoo(small_zoo)
    one_epoch = len(zoo["train"]) * 4 * zoo.architectures[0].num_params * 10
    limited = Flat(flop_limit=0.5 * one_epoch, batch_size=16)
    (result,) = wb.run(limited, task="inr-classification", zoo=small_zoo, out=tmp_path)
    assert result.budget is not None
    assert result.budget["steps"] == -(-len(zoo["train"]) // 16) // 2
    assert 0.4 * one_epoch < result.budget["flops"] <= 0.5 * one_epoch
    assert result.curves is not None
    assert len(result.curves["train_loss"]) == 1
