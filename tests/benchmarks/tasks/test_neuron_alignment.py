"""Neuron alignment: known orders are found, whatever the architectures; wrong orders are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import planted_zoo
from helpers.recorded import read_results

import weightbench as wb
from weightbench.benchmarks.metrics.alignment import trained_pairs
from weightbench.benchmarks.records.predictions import read_predictions, write_predictions
from weightbench.benchmarks.task.network_pairs import Pairs, copies, line_scores
from weightbench.leaderboard.pictures.result_pictures import draw_results
from weightbench.methods.contract.method import Method
from weightbench.zoo.build.build_zoo import build_zoo
from weightbench.zoo.build.provenance import evaluator_of
from weightbench.zoo.networks.architecture import Architecture
from weightbench.zoo.networks.networks import Networks
from weightbench.zoo.networks.symmetry import neuron_groups
from weightbench.zoo.training.run_evaluation import RunEvaluator

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


def test_neurons_are_told_apart_by_their_edges(tmp_path: Path) -> None:
    assert score(tmp_path, "graph-metrics", "exact-copies") > 99
    assert 30 < score(tmp_path / "noisy", "graph-metrics") < 100


def test_a_graph_method_aligns_by_its_nodes(tmp_path: Path) -> None:
    brief = wb.load_method("structure-reps", width=8, graphs=16, epochs=1)
    assert score(tmp_path, brief, "exact-copies") > 10


@pytest.fixture(scope="module")
def moons(tmp_path_factory: pytest.TempPathFactory) -> wb.Zoo:
    """Two Moons MLPs, every epoch of 15 runs."""
    return build_zoo("moons-mlps", limit=15, out=tmp_path_factory.mktemp("moons") / "zoo", device="cpu")


def test_a_permuted_copy_is_aligned_without_a_barrier(moons: wb.Zoo) -> None:
    table, networks = moons["test"].table, moons["test"].networks
    last = torch.tensor(table.groupby("run")["epoch"].idxmax().tolist())
    numbers = torch.tensor(table["run"].iloc[last.numpy()].tolist())
    exact = copies(networks[last], [f"n{i}" for i in range(len(last))], 0)
    pairs, evaluator = Pairs(exact.a, exact.b, numbers), evaluator_of(moons)
    assert isinstance(evaluator, RunEvaluator)
    barrier = {}
    for name in ("identity-matching", "weight-matching"):
        method = wb.load_method(name)
        method.fit(None, None, None, seed=0, device="cpu")
        losses = line_scores(evaluator, [pairs], torch.cat(method.align(pairs.a, pairs.b), 1))["line_loss"]
        assert losses[:, 0] == pytest.approx(table["test_loss"].to_numpy()[last.numpy()], abs=1e-5)
        assert losses[:, -1] == pytest.approx(losses[:, 0], abs=1e-5)  # the same function, in another order
        barrier[name] = (losses.max(1) - losses[:, 0]).tolist()
    assert max(barrier["weight-matching"]) < 1e-4
    assert min(barrier["identity-matching"]) > 0.05


@pytest.mark.parametrize("split", ["across-runs", "within-run"])
def test_matching_lowers_the_barrier_between_trained_networks(moons: wb.Zoo, tmp_path: Path, split: str) -> None:
    names = ["identity-matching", "weight-matching", "activation-matching"]
    results = wb.run(names, task="neuron-alignment", zoo=moons, target="trained", split=split, out=tmp_path)
    assert [result.error for result in results] == [None] * 3
    found = {result.method.name: result.score for result in results}
    assert 0 <= found["weight-matching"] < 0.8 * found["identity-matching"]
    assert 0 <= found["activation-matching"] < 0.8 * found["identity-matching"]
    merged = {result.method.name: result.scores["merged_accuracy"] for result in results}
    assert max(merged, key=merged.__getitem__) != "identity-matching"
    (rows,) = wb.boards(tmp_path).values()
    assert rows["score"].tolist() == pytest.approx(sorted(found.values()))
    assert set(rows["unit"]) == {"pair of runs"}
    assert rows["low"].isna().all(), "each run is in two pairs: as few are no ground for an interval"
    (picture,) = draw_results([tmp_path / "neuron-alignment"], tmp_path / "pictures")
    assert picture.name == f"neuron-alignment-of-trained-{split}-moons-mlps-1.0.0-line.png"


def test_pairs_are_of_runs_with_one_architecture_and_data(moons: wb.Zoo) -> None:
    table = pd.DataFrame(
        {
            "run": [1, 1, 3, 3, 5, 7, 8, 9, 11],
            "epoch": [0, 9, 9, 0, 9, 9, 9, 9, 9],
            "architecture": [*"aaaaabbbc"],
            "source": [*"xxxxxxyyx"],
        }
    )
    a, b = trained_pairs(table)
    assert list(zip(a.tolist(), b.tolist(), strict=True)) == [(1, 2), (2, 4), (4, 1), (6, 7)]
    test = moons["test"].table
    rows, partners = trained_pairs(test)
    assert len(rows) == test["run"].nunique()
    assert (test["epoch"].iloc[rows] == test["epoch"].max()).all()
    assert (test["run"].to_numpy()[rows] != test["run"].to_numpy()[partners]).all()


@pytest.mark.parametrize("what", ["ends", "orders", "claim"])
def test_forged_losses_are_found(what: str, moons: wb.Zoo, tmp_path: Path, cli) -> None:
    wb.run("identity-matching", task="neuron-alignment", zoo=moons, target="trained", out=tmp_path)
    ((path, result),) = read_results(tmp_path)
    ids, arrays = read_predictions(path.with_suffix(".safetensors"), result.predictions.sha256)
    if what == "ends":
        arrays["line_loss"] = arrays["line_loss"] / 2
    elif what == "orders":
        arrays["permutations"] = np.zeros_like(arrays["permutations"])
    else:
        arrays["line_loss"][:, 5] = arrays["line_loss"][:, 0]
    record = json.loads(path.read_text())
    record["predictions"]["sha256"] = write_predictions(path.with_suffix(".safetensors"), ids, arrays)
    path.write_text(json.dumps(record))
    if what == "claim":
        with pytest.warns(UserWarning, match="its predictions give"):
            wb.boards(tmp_path)
        return
    code, _, err = cli("leaderboard", "--results", tmp_path)
    assert code == 2
    assert {"ends": "is not that of the zoo's networks", "orders": "are no permutation of"}[what] in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("identity-matching", "--target", "copys"), "did you mean copies"),
        (("identity-matching", "--target", "trained"), "takes a zoo of runs: planted has none"),
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
    assert "something else than permutations of 12" in result.error
