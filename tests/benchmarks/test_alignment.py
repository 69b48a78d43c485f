"""Neuron alignment: known orders are found, whatever the architectures; wrong orders are refused."""

from __future__ import annotations

from pathlib import Path

import planted_zoo
import pytest
import torch
from weightbench.benchmarks.alignment import copies
from weightbench.methods.base import Method
from weightbench.zoo.architecture import Architecture
from weightbench.zoo.networks import Networks
from weightbench.zoo.symmetry import neuron_groups

import weightbench as wb

GROUPS = {"deep": planted_zoo.networks((4, 12, 10, 3), 100), "wide": planted_zoo.networks((4, 16, 3), 100, seed=1)}


def score(tmp_path: Path, method: object, target: str = "copies") -> float:
    zoo = planted_zoo.write_zoo(tmp_path / "zoo", GROUPS)
    (result,) = wb.run(method, task="neuron-alignment", zoo=zoo, target=target, out=tmp_path / "runs")
    assert result.status == "ok", result.error
    (board,) = wb.boards(tmp_path / "runs").values()
    assert board["score"][0] == pytest.approx(result.score)
    return result.score


def test_copies_without_noise_are_matched_by_weight_matching(tmp_path: Path) -> None:
    assert score(tmp_path, "weight-matching", "exact-copies") == 100


def test_baselines_stand_in_their_order(tmp_path: Path) -> None:
    found = {
        name: score(tmp_path / name, name) for name in ("identity-matching", "weight-matching", "activation-matching")
    }
    assert found["identity-matching"] < 20  # at random one neuron of n is at its place
    assert found["weight-matching"] > 95
    assert found["activation-matching"] > 60


def test_convolutions_are_matched_too() -> None:
    arch = Architecture.cnn((1, 8, 8), (6, 8), 3, padding=1)
    networks = Networks(arch, torch.randn(5, arch.num_params, generator=torch.Generator().manual_seed(0)))
    pairs = copies(networks, [f"n{i}" for i in range(5)], 0.01)
    for name in ("weight-matching", "activation-matching"):
        method = wb.load_method(name)
        method.fit(None, None, None, seed=0, device="cpu")
        restored = pairs.b.permuted(method.align(pairs.a, pairs.b))
        assert (restored.params - networks.params).abs().max() < 0.1, name


def test_node_embeddings_are_enough(tmp_path: Path) -> None:
    class Biases(Method):
        name = "biases"
        tasks = ("neuron-alignment",)

        def fit(self, task, train, val, *, seed, device) -> None: ...

        def node_embeddings(self, networks):
            return [networks.biases[group.producers[0]].unsqueeze(2) for group in neuron_groups(networks.arch)]

    assert score(tmp_path, Biases, "exact-copies") == 100


def test_a_graph_method_aligns_by_its_nodes(tmp_path: Path) -> None:
    brief = wb.load_method("structure-reps", width=8, graphs=16, epochs=1)
    assert score(tmp_path, brief, "exact-copies") > 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("identity-matching", "--target", "copys"), "did you mean copies"),
        (("identity-matching", "--protocol", "representation"), "no representation protocol"),
        (("weight-norms",), "supports inr-classification, property, not neuron-alignment"),
    ],
)
def test_wrong_input_is_one_line(arguments: tuple[str, ...], message: str, tmp_path: Path, cli) -> None:
    zoo = planted_zoo.write_zoo(tmp_path / "zoo", GROUPS)
    code, _, err = cli("run", *arguments, "--task", "neuron-alignment", "--zoo", zoo.folder, "--out", tmp_path / "runs")
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_what_is_no_order_fails_the_cell(tmp_path: Path) -> None:
    class Doubling(Method):
        name = "doubling"
        tasks = ("neuron-alignment",)

        def fit(self, task, train, val, *, seed, device) -> None: ...

        def align(self, a, b):
            return [torch.zeros(len(a), group.size, dtype=torch.long) for group in neuron_groups(a.arch)]

    zoo = planted_zoo.write_zoo(tmp_path / "zoo", GROUPS)
    (result,) = wb.run(Doubling, task="neuron-alignment", zoo=zoo, out=tmp_path / "runs")
    assert result.status == "failed"
    assert "something else than orders of 12" in result.error
