"""The contract that every built-in method keeps, on every task that it supports."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from weightbench.benchmarks.audit import audit
from weightbench.benchmarks.protocols import Representation, Supervised
from weightbench.benchmarks.task import load_task, task_names
from weightbench.methods.registry import load_class, method_names
from weightbench.zoo import symmetry

import weightbench as wb

BRIEF = {
    "epochs": 1,
    "batch_size": 32,
    "width": 8,
    "depth": 2,
    "probes": 4,
    "trees": 3,
    "fourier_features": 8,
    "graphs": 16,
}
INVARIANT = {"ng-gnn", "probegen", "weight-norms", "weight-stats"}
TARGETS = {"property": "psnr"}  # of the tasks that need one
CASES = [(n, task) for n in method_names() for task in load_class(n).tasks if task != "neuron-alignment"]


def brief(name: str, **params: object) -> wb.Method:
    fields = load_class(name).__dataclass_fields__
    return wb.load_method(name, **{key: value for key, value in BRIEF.items() if key in fields}, **params)


@pytest.fixture(scope="module")
def fitted(small_zoo: Path):
    """Each method fitted once per task."""
    zoo, made = wb.load_zoo(small_zoo), {}

    def get(name: str, task_name: str):
        if (name, task_name) not in made:
            task, method = load_task(task_name, zoo, target=TARGETS.get(task_name)), brief(name)
            method.fit(task, task.splits["train"], task.splits["val"], seed=0, device="cpu")
            made[name, task_name] = task, method
        return made[name, task_name]

    return get


def test_the_named_methods_and_tasks_exist() -> None:
    assert {"mlp", "weight-stats", "ng-gnn", "probegen"} <= set(method_names())
    assert {"inr-classification", "inr-dilation"} <= set(task_names())
    assert {task for _, task in CASES} <= set(task_names())


@pytest.mark.parametrize(("name", "task_name"), CASES)
def test_outputs_fit_the_task_and_do_not_depend_on_company(fitted, name: str, task_name: str) -> None:
    task, method = fitted(name, task_name)
    networks = task.splits["test"].networks
    together = task.observe(method.predict(networks))
    assert len(together) == len(networks)
    if task.output != "networks":
        assert together.shape == (len(networks), task.output_dim)
    order = torch.randperm(len(networks), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(task.observe(method.predict(networks[order])), together[order], atol=1e-4, rtol=1e-4)
    alone = task.observe(method.predict(networks[3]))
    torch.testing.assert_close(alone, together[3:4], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in method_names() if load_class(name).has("transform")])
def test_embeddings_need_no_labels_and_do_not_depend_on_company(small_zoo: Path, name: str) -> None:
    task, method = load_task("property", small_zoo, target="psnr", protocol="representation"), brief(name)
    asked = Representation(task, method)
    asked.fit(seed=0, device="cpu")
    networks = task.splits["test"].networks
    together = asked.output(networks)
    torch.testing.assert_close(asked.output(networks[3]), together[3:4], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(asked.output(networks[[5, 2]]), together[[5, 2]], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "task_name"), CASES)
def test_a_seed_decides_the_outcome(fitted, name: str, task_name: str) -> None:
    task, method = fitted(name, task_name)
    state = torch.random.get_rng_state()
    again = brief(name)
    again.fit(task, task.splits["train"], task.splits["val"], seed=0, device="cpu")
    networks = task.splits["test"].networks
    assert torch.equal(torch.random.get_rng_state(), state), "fit changed the caller's random state"
    torch.testing.assert_close(task.observe(again.predict(networks)), task.observe(method.predict(networks)))


@pytest.mark.parametrize(("name", "task_name"), CASES)
def test_the_audit_tells_invariant_methods_from_others(fitted, name: str, task_name: str) -> None:
    task, method = fitted(name, task_name)
    split = task.splits["test"]
    report = audit(Supervised(task, method), split, seed=0)
    assert (report["permutation"] < 1e-4) == (name in INVARIANT)
    assert report["sign"] is not None
    assert report["scale"] is None  # a SIREN has no such symmetry


def test_editing_moves_with_the_neurons(fitted) -> None:
    """Equivariance: editing permuted networks gives the permuted edits, parameter by parameter."""
    task, method = fitted("ng-gnn", "inr-dilation")
    networks = task.splits["test"].networks
    order = symmetry.sample(networks.arch, "permutation", len(networks), torch.Generator().manual_seed(1))
    edited = method.predict(networks)
    assert not torch.equal(edited.params, networks.params)
    torch.testing.assert_close(
        method.predict(networks.permuted(order)).params, edited.permuted(order).params, atol=1e-5, rtol=1e-4
    )


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
    method = wb.load_method("ng-gnn", width="64", lr="1e-2", position_embeddings="false", probes="16", residual="no")
    assert (method.width, method.lr, method.position_embeddings) == (64, 0.01, False)
    assert method.variant == "width=64, probes=16, position_embeddings=False, residual=False"


def test_leaving_out_what_nobody_reads_changes_no_output(small_zoo: Path) -> None:
    from weightbench.methods.ng_gnn import NeuralGraph

    networks = wb.load_zoo(small_zoo)["test"].networks
    method = wb.load_method("ng-gnn", width=8, probes=4, aggregators=["mean", "min", "max", "std"], fourier_features=8)
    whole = NeuralGraph(method, networks, outputs_only=False).eval()
    trimmed = NeuralGraph(method, networks, outputs_only=True).eval()
    missing, _ = trimmed.load_state_dict(whole.state_dict(), strict=False)
    assert not missing
    torch.testing.assert_close(trimmed(networks)[0][-1], whole(networks)[0][-1])


def test_the_published_graph_network_is_invariant_too(small_zoo: Path) -> None:
    """All four aggregators, Fourier features and normalised updates."""
    task = load_task("inr-classification", small_zoo)
    method = brief(
        "ng-gnn", aggregators=["mean", "min", "max", "std"], residual=False, schedule="constant", warmup_steps=4
    )
    method.fit(task, task.splits["train"], task.splits["val"], seed=0, device="cpu")
    split = task.splits["test"]
    assert audit(Supervised(task, method), split, seed=0)["permutation"] < 1e-4
