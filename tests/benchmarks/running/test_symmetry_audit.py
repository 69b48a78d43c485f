"""The symmetry audit: what moves is told from what does not, on a scale that neither outliers nor constants upset."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from helpers.branched_networks import vision_transformer
from helpers.random_task import RandomTask
from helpers.recorded import read_results

import weightbench as wb
from weightbench.benchmarks.records.result import SymmetryPart
from weightbench.benchmarks.running.symmetry_audit import rows_reordered
from weightbench.leaderboard.board.board import load_boards
from weightbench.zoo.networks.operations.elementwise import Activation
from weightbench.zoo.networks.operations.joining import Add
from weightbench.zoo.networks.operations.layers import Linear

PLUGIN = """
import torch
import weightbench as wb

class Answers(wb.Method):
    name = "answers"
    tasks = ("inr-classification",)
    symmetries = ("permutation",)
    how: str = "function"

    def fit(self, task, train, val, *, seed, device):
        pass

    def predict(self, networks):
        value = networks.forward(torch.linspace(-1, 1, 20).reshape(10, 2))[..., 0].double()
        if self.how == "order":
            value = networks.weights[0][:, 0, :1].expand(-1, 10)
        if self.how == "set":
            value = networks.weights[1].square().sum((1, 2))[:, None].expand(-1, 10)
        if self.how == "constant":
            value = torch.arange(10.0).expand(len(networks), -1)
        if self.how == "rare":  # one network in a hundred or so has another answer
            value = torch.arange(10.0) * (1 + (networks.params[:, :1] == networks.params[:, :1].max()).double())
        if self.how == "outlier":  # and the rounding of its answer is as large as others' answers are apart
            value = value + (value[:, :1] == value[:, :1].max()) * 1e8
            value = value.float() * (1 + 1e-7 * torch.sin(1e6 * networks.weights[0][:, :1, 0]))
        if self.how == "noise":  # all but one number are rounding, which differs with the order of the neurons
            value = torch.cat([value[:, :1], 1e-9 * networks.weights[0][:, 0, :1].expand(-1, 9)], 1)
        return value.float()
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "answers.py"
    path.write_text(PLUGIN)
    return path


def audited(method: str | Path | wb.Method, zoo: Path, out: Path, **chosen) -> SymmetryPart:
    (result,) = wb.run(str(method) if isinstance(method, Path) else method, zoo=zoo, out=out, device="cpu", **chosen)
    assert (result.status, result.error) == ("ok", None)
    assert result.symmetry is not None
    return result.symmetry


def test_a_method_of_the_function_is_invariant_and_sensitive(plugin: Path, small_zoo: Path, tmp_path: Path) -> None:
    found = audited(plugin, small_zoo, tmp_path / "runs", task="inr-classification")
    assert (found.constant, found.declared) == (False, ["permutation"])
    assert found.permutation < 1e-4
    assert 0.3 < found.sensitivity < 10, "about as far as to another network's answer"
    assert found.draws > 1
    assert found.scale is None, "a SIREN has no such symmetry"
    assert found.score_change == {"permutation": 0.0, "sign": 0.0, "scale": None}


@pytest.mark.parametrize(
    ("how", "mark"),
    [
        ("function", None),
        ("order", "⚠ moves under permutation"),
        ("set", "⚠ blind to connections"),
        ("constant", "⚠ constant"),
        ("rare", "⚠ constant"),
        ("outlier", None),
        ("noise", None),
    ],
)
def test_the_board_marks_what_contradicts_a_declared_symmetry(
    how: str, mark: str | None, plugin: Path, small_zoo: Path, tmp_path: Path, cli
) -> None:
    runs = tmp_path / "runs"
    asked = ("run", plugin, "--task", "inr-classification", "--zoo", small_zoo, "--out", runs, "-p", f"how={how}")
    code, text, _ = cli(*asked)
    assert code == 0
    (row,) = load_boards(runs)[0].rows.to_dict("records")
    assert row["audit"] == mark
    code, out, err = cli("leaderboard", "--results", runs, "--check")
    assert (code, err) == (0, ""), "a mark is enough"
    line = f"symmetry audit: {mark}: {read_results(runs)[0][1].method.name}, inr-classification on digits-inrs@1.0.0"
    assert (line in out.splitlines()) == (mark is not None)
    files = {name: (runs / "board" / name).read_text() for name in ("README.md", "scores.csv", "index.html")}
    section, data = files["README.md"].split("## Columns")[0], files["index.html"].partition('id="data"')[2]
    row_data = data.partition('"columns"')[0]
    assert [(mark or "⚠").split()[0] in place for place in (text, section)] == [mark is not None] * 2
    assert [str(mark) in place for place in (section, files["scores.csv"])] == [mark is not None] * 2
    assert f'"audit":{json.dumps(mark)}' in row_data
    if mark == "⚠ constant":
        ((_, result),) = read_results(runs)
        assert result.symmetry.model_dump(exclude_none=True) == {
            "constant": True,
            "draws": result.symmetry.draws,
            "declared": ["permutation"],
        }
        assert row["permutation"] is None


def test_what_a_method_reads_shows_in_its_sensitivity(small_zoo: Path, tmp_path: Path) -> None:
    """Statistics of each layer are those of any order of its rows; whoever follows connections sees another network."""
    brief = {"width": 16, "depth": 2, "epochs": 2, "batch_size": 32, "warmup_steps": 0}
    methods = {
        "weight-stats": wb.load_method("weight-stats", trees=2),
        "weight-norms": wb.load_method("weight-norms"),
        "graph-metrics": wb.load_method("graph-metrics"),
        "ng-gnn": wb.load_method("ng-gnn", **brief),
        "mlp": wb.load_method("mlp", epochs=2),
    }
    chosen = {"task": "inr-classification", "zoo": small_zoo, "out": tmp_path / "runs"}
    found = {name: audited(method, **chosen) for name, method in methods.items()}
    assert {name for name, part in found.items() if part.sensitivity < 1e-3} == {"weight-stats", "weight-norms"}
    assert {name for name, part in found.items() if part.permutation > 1e-3} == {"mlp"}
    marks = load_boards(tmp_path / "runs")[0].rows.set_index("method")["audit"].dropna()
    assert marks.to_dict() == dict.fromkeys(["weight-norms", "weight-stats (trees=2)"], "⚠ blind to connections")
    again = audited(methods["mlp"], **chosen | {"out": tmp_path / "again"})
    assert again == found["mlp"], "the seed decides the draws"


def test_embeddings_are_audited_too_and_matchings_are_not(small_zoo: Path, tmp_path: Path) -> None:
    chosen = {"zoo": small_zoo, "out": tmp_path / "runs"}
    embedded = {"task": "property", "target": "psnr", "protocol": "representation"}
    assert audited("graph-metrics", **chosen, **embedded).permutation < 1e-4
    for name in ("weight-matching", "identity-matching"):
        (result,) = wb.run(name, task="neuron-alignment", device="cpu", **chosen)
        assert (result.status, result.symmetry) == ("ok", None)
    boards = {board.task: board.rows for board in load_boards(tmp_path / "runs")}
    assert boards["neuron-alignment"][["audit", "sensitivity", "permutation"]].isna().all(axis=None)


RESIDUAL = wb.Architecture(
    input_shape=(2,),
    operations=(
        Linear(in_features=2, out_features=5),
        Activation(name="relu"),
        Linear(in_features=5, out_features=5),
        Add(source=1),
        Activation(name="relu"),
        Linear(in_features=5, out_features=1),
    ),
)


@pytest.mark.parametrize(
    "arch",
    [
        wb.Architecture.mlp((2, 6, 5, 1), "sine"),
        wb.Architecture.mlp((2, 1, 2, 1), "tanh"),
        wb.Architecture.cnn((1, 9, 9), (3, 4), 2, activation="tanh", padding=1),
        RESIDUAL,
    ],
    ids=str,
)
def test_reordered_rows_are_another_function_of_the_same_numbers(arch: wb.Architecture) -> None:
    networks = RandomTask(arch, networks=40).splits["test"].networks
    found = rows_reordered(networks, torch.Generator().manual_seed(0))
    assert found is not None
    assert torch.equal(found.params.sort(1).values, networks.params.sort(1).values)
    layers = [
        [not torch.equal(new[i], old[i]) for new, old in zip(found.weights, networks.weights, strict=True)]
        for i in range(len(networks))
    ]
    assert {sum(moved) for moved in layers} == {1}, "one layer of each network"
    assert not any(moved[-1] for moved in layers), "the outputs keep their places"
    wide = sum(weight.shape[1] > 1 for weight in networks.weights[:-1])
    assert len({tuple(moved) for moved in layers}) == wide, "each is drawn for some"
    for new, old in zip(found.weights[:-1], networks.weights[:-1], strict=True):
        still = (new == old).flatten(2).all(2)
        assert (still.all(1) | ~still.any(1)).all(), "and all of its neurons"
    x = torch.rand(16, *arch.input_shape)
    moved = (found.forward(x) - networks.forward(x)).abs().flatten(1).amax(1)
    assert (moved > 1e-6).double().mean() > 0.9, "but where neurons are dead"


def test_without_two_hidden_neurons_there_is_nothing_to_reorder() -> None:
    for sizes in ((3, 2), (2, 1, 1)):
        networks = RandomTask(wb.Architecture.mlp(sizes, "relu")).splits["test"].networks
        assert rows_reordered(networks, torch.Generator()) is None


def test_heads_are_reordered_neuron_by_neuron() -> None:
    networks = RandomTask(vision_transformer(), networks=40).splits["test"].networks
    found = rows_reordered(networks, torch.Generator().manual_seed(0))
    assert found is not None
    assert torch.equal(found.params.sort(1).values, networks.params.sort(1).values)
    changed = {
        (networks.arch.tensors[place].name, int((new != old).flatten(1).any(1).sum()))
        for new_row, old_row in zip(found.params, networks.params, strict=True)
        for place, tensor in enumerate(networks.arch.tensors)
        if tensor.kind == "weight" and len(tensor.shape) > 1
        for new, old in [
            (
                new_row[tensor.start : tensor.stop].view(tensor.shape),
                old_row[tensor.start : tensor.stop].view(tensor.shape),
            )
        ]
    }
    for name in "qkv":
        assert {rows for tensor, rows in changed if tensor == f"layer0.{name}.weight"} == {0, 8}, "both heads' or none"
    assert (found.params != networks.params).any(1).all()
