"""The contract that every built-in method keeps, on every task that it supports."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
import torch

import weightbench as wb
from weightbench.benchmarks.checks.method_check import CHECKS, brief, check_method, tasks_for
from weightbench.benchmarks.running.protocols import Supervised
from weightbench.benchmarks.running.symmetry_audit import audit
from weightbench.benchmarks.running.task_views import Sealed
from weightbench.benchmarks.task.registry import load_task
from weightbench.methods.contract.builtin import is_control
from weightbench.methods.contract.registry import load_class, method_names
from weightbench.methods.contract.task_view import TaskView

SMALL = {
    "width": 8,
    "depth": 2,
    "probes": 4,
    "trees": 3,
    "fourier_features": 8,
    "attention_width": 16,
    "edge_width": 8,
    "graphs": 16,
    "steps": 2,
}


def small(name: str) -> wb.Method:
    """A built-in method of small size, trained for an epoch."""
    fields = load_class(name).__dataclass_fields__
    return brief(wb.load_method(name, **{key: value for key, value in SMALL.items() if key in fields}))


@pytest.mark.parametrize("name", [name for name in method_names() if not load_class(name).reads])
def test_every_built_in_method_keeps_the_contract(small_zoo: Path, name: str) -> None:
    findings = list(check_method(small(name), wb.load_zoo(small_zoo)))
    assert {finding.check for finding in findings} == {"fit", *CHECKS}
    assert not [finding for finding in findings if not finding.kept]


@pytest.mark.parametrize(
    "name", [n for n in method_names() if "inr-classification" in load_class(n).tasks and not is_control(n)]
)
def test_a_symmetry_that_is_not_declared_does_not_hold(small_zoo: Path, name: str) -> None:
    task = load_task("inr-classification", small_zoo)
    asked = Supervised(task, small(name))
    asked.fit(seed=0, device="cpu")
    report = audit(asked, task.splits["test"], seed=0)
    found = {kind for kind in ("permutation", "sign") if getattr(report, kind) < 1e-4}
    assert found == {*asked.method.symmetries} - {"scale"}
    assert report.scale is None  # a SIREN has no such symmetry


@pytest.mark.parametrize("name", [n for n in method_names() if issubclass(load_class(n), wb.NeuralMethod)])
def test_every_method_trains_in_bfloat16(name: str, small_zoo: Path, tmp_path: Path) -> None:
    method = small(name)
    method.precision = "bf16"
    (result,) = wb.run(method, task=method.tasks[0], zoo=small_zoo, device="cpu", out=tmp_path)
    assert (result.status, result.error) == ("ok", None)
    assert "precision=bf16" in (result.method.variant or "")


BREAKING = """
import torch
import weightbench as wb

class Wrong(wb.Method):
    name = "wrong"
    tasks = ("inr-classification",)
    symmetries = ("permutation",)
    how: str = ""
    zoo: str = ""

    def fit(self, task, train, val, *, seed, device):
        if self.how == "peeks":
            task.zoo["test"]
        if self.how == "asks":
            task.targets(wb.load_zoo(self.zoo)["test"])
        if self.how == "crashes":
            raise KeyError("oops")
        if self.how == "global-seed":
            torch.manual_seed(3)
        self.noise = torch.randn(()) if self.how == "random" else torch.zeros(())
        if self.how == "closure":
            self.closure = lambda x: x
        if self.how == "keeps":
            self.task = task

    def predict(self, networks):
        first = networks.weights[0].square()
        sums = first.sum((1, 2))
        if self.how == "order":
            sums = first[:, 0].sum(1)
        if self.how == "batch":
            sums = sums - sums.mean()
        if self.how == "nan":
            sums = sums.nan_to_num()
        if self.how == "shape":
            return sums
        return sums[:, None] + torch.arange(10) + self.noise
"""


@pytest.mark.parametrize(
    ("how", "broken", "why"),
    [
        ("", None, ""),
        ("keeps", None, ""),
        ("peeks", "fit", "has no attribute 'zoo'"),
        ("asks", "fit", "targets of the test split"),
        ("crashes", "fit", "KeyError"),
        ("shape", "shapes", "expected a tensor of shape"),
        ("batch", "order and batch size", "one by one"),
        ("random", "seed", "random state"),
        ("global-seed", "seed", "random state"),
        ("order", "symmetries", "declares permutation symmetry"),
        ("closure", "round trip", "pickle"),
        ("nan", "bad input", "as if nothing were wrong"),
    ],
)
def test_the_contract_tells_what_is_broken(
    small_zoo: Path, tmp_path: Path, how: str, broken: str | None, why: str
) -> None:
    (tmp_path / "wrong.py").write_text(BREAKING)
    method = wb.load_method(str(tmp_path / "wrong.py"), how=how, zoo=str(small_zoo))
    findings = list(check_method(method, wb.load_zoo(small_zoo)))
    found = {finding.check: finding.why for finding in findings if not finding.kept}
    assert broken in found if broken else not found
    assert why in found.get(broken, "")


def test_fit_sees_the_task_without_its_test_split(small_zoo: Path) -> None:
    task = load_task("inr-classification", small_zoo)
    view = Sealed(task)
    public = {name for name in dir(view) if not name.startswith("_")}
    assert public == {name for name in dir(TaskView) if not name.startswith("_")}
    assert list(view.splits) == ["train", "val"]
    for again in (copy.deepcopy(view), pickle.loads(pickle.dumps(view))):
        assert list(again.splits) == ["train", "val"]
        assert torch.equal(again.targets(again.splits["val"]), task.targets(task.splits["val"]))


@pytest.mark.parametrize(
    ("tasks", "verbs", "asked"),
    [
        (("accuracy-decoding",), "predict", ["property of psnr"]),
        (("generalization-gap", "accuracy-decoding"), "predict", ["property of psnr"]),
        (("network-classification", "network-retrieval"), "predict", ["property of label"]),
        (("accuracy-decoding", "inr-classification"), "predict", ["property of psnr", "inr-classification"]),
        (("network-retrieval", "property"), "transform", ["property of label (representation)"]),
        (("neuron-alignment",), "node_embeddings", ["neuron-alignment of copies"]),
        (("inr-dilation", "neuron-alignment"), "transform", []),
    ],
)
def test_every_task_is_asked_on_the_tiny_zoo(
    small_zoo: Path, tasks: tuple[str, ...], verbs: str, asked: list[str]
) -> None:
    method = type("Asked", (wb.Method,), {"name": "asked", "tasks": tasks, verbs: lambda self, networks: None})()
    assert [task.title for task in tasks_for(method, wb.load_zoo(small_zoo))] == asked


def test_a_method_without_verbs_or_of_unknown_tasks_is_refused(tmp_path: Path, cli) -> None:
    path = tmp_path / "idle.py"
    text = 'import weightbench as wb\n\nclass Idle(wb.Method):\n    name = "idle"\n    tasks = ("network-retrieval",)\n'
    path.write_text(text)
    code, _, err = cli("check", path, "--json")
    assert code == 2
    assert "has no verb for its tasks" in err
    path.write_text(text.replace("network-retrieval", "network-retrievel"))
    code, _, err = cli("check", path)
    assert code == 2
    assert "did you mean network-retrieval" in err


def test_a_new_method_is_one_file_that_works(tmp_path: Path, cli, monkeypatch) -> None:
    monkeypatch.setenv("WEIGHTBENCH_CACHE", str(tmp_path / "cache"))
    code, out, _ = cli("new-method", "my-net", "--out", tmp_path)
    assert code == 0
    path = tmp_path / "my_net.py"
    assert f"weightbench check {path}" in out
    code, out, _ = cli("check", path)
    assert code == 0, out
    assert "14 of 14 checks kept" in out  # seven for each of two tasks
    code, _, err = cli("new-method", "my-net", "--out", tmp_path)
    assert code == 2
    assert "is there already" in err
    assert cli("new-method", "My Net", "--out", tmp_path)[0] == 2
    path.write_text(path.read_text().replace(".mean(1))  # [B, width]", "[:, 0])  # [B, width]"))
    code, out, _ = cli("check", path)
    assert code == 1
    assert "declares permutation symmetry" in out


def test_probe_features_and_position_embeddings_change_the_network(small_zoo: Path) -> None:
    task = load_task("inr-classification", small_zoo)
    sizes = [
        sum(
            p.numel()
            for p in wb.load_method("ng-gnn", probes=probes, position_embeddings=embedded).build(task).parameters()
        )
        for probes, embedded in ((0, True), (4, True), (64, True), (0, False))
    ]
    assert sizes[3] < sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"widht": 3}, "did you mean width"),
        ({"width": "wide"}, "width of ng-gnn takes int"),
        ({"schedule": "none"}, "schedule of ng-gnn"),
        ({"aggregators": ["median"]}, "aggregators of ng-gnn"),
    ],
)
def test_wrong_parameters_are_one_clear_error(params: dict, message: str) -> None:
    with pytest.raises(wb.BadInput, match=message):
        wb.load_method("ng-gnn", **params)


def test_text_becomes_the_fields_type() -> None:
    method = wb.load_method("ng-gnn", width="64", lr="1e-2", position_embeddings="false", probes="16")
    assert (method.width, method.lr, method.position_embeddings) == (64, 0.01, False)
    assert method.variant == "width=64, probes=16, position_embeddings=False"


def test_text_of_a_tuple_is_what_a_variant_prints() -> None:
    text = wb.load_method("ng-gnn", aggregators="mean+max", augment="rotation=30+noise")
    assert (text.aggregators, text.augment) == (("mean", "max"), ("rotation=30", "noise"))
    assert text.params == wb.load_method("ng-gnn", aggregators=["mean", "max"], augment=["rotation=30", "noise"]).params
    assert text.variant == "aggregators=mean+max"
    assert wb.load_method("ng-gnn", aggregators="std").variant == "aggregators=std"
    assert wb.load_method("mlp", augment="").augment == wb.load_method("mlp", augment=[]).augment == ()
    for value in ("mean+median", "mean++max"):
        with pytest.raises(wb.BadInput, match="aggregators of ng-gnn"):
            wb.load_method("ng-gnn", aggregators=value)
