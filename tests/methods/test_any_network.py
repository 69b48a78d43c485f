"""Graph methods read networks of any operations: up to neuron order, every tensor, also those they never saw."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from helpers.branched_networks import BRANCHED, resnet, vision_transformer
from helpers.random_task import RandomTask
from helpers.torch_graphs import graphs, random_params
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import weightbench as wb
from weightbench.baselines.graph_metrics import metrics
from weightbench.methods.graphs import graph_view
from weightbench.methods.graphs.graph_topology import GraphTopology
from weightbench.methods.graphs.neural_graph import layout_of
from weightbench.zoo.networks import symmetry

SMALL: dict[str, dict[str, object]] = {
    "gcn": {"width": 8},
    "ng-gnn": {"width": 8, "depth": 3, "fourier_features": 8},
    "ng-gnn-residual": {"width": 8},
    "ng-t": {"width": 8, "edge_width": 6, "attention_width": 8, "heads": 2, "depth": 3, "fourier_features": 8},
}


def networks_of(arch: wb.Architecture, count: int = 3, seed: int = 0) -> wb.Networks:
    return wb.Networks(arch, random_params(arch, count, seed))


def build(name: str, *architectures: wb.Architecture, **params: object) -> nn.Module:
    """The method's module in float64, for a task on networks of all the architectures."""
    groups = [wb.Networks(arch, networks_of(arch, 6, 1).params.float()) for arch in architectures]
    train = SimpleNamespace(groups=groups, table={})
    task = SimpleNamespace(splits={"train": train}, architectures=list(architectures), output="logits", output_dim=3)
    torch.manual_seed(0)
    method = wb.load_method(name, **(SMALL[name] | params))
    method.check(task)
    return method.build(task).double().eval()


@torch.no_grad()
def outputs(module: nn.Module, networks: wb.Networks) -> torch.Tensor:
    """Answers in their standard deviations over the networks."""
    found = module(networks)
    return found / found.std(0, correction=0).max().clamp(1e-3)


def permuted(networks: wb.Networks) -> wb.Networks:
    generator = torch.Generator().manual_seed(3)
    return networks.permuted(symmetry.sample(networks.arch, "permutation", len(networks), generator))


@pytest.mark.parametrize("readout", ["outputs", "mean"])
@pytest.mark.parametrize("name", SMALL)
def test_one_module_reads_all_networks_up_to_neuron_order(name: str, readout: str) -> None:
    module = build(name, *BRANCHED.values(), wb.Architecture.mlp((5, 4, 3)), readout=readout)
    for arch in BRANCHED.values():
        networks = networks_of(arch)
        moved = permuted(networks)
        assert not torch.equal(moved.params, networks.params)
        assert (outputs(module, moved) - outputs(module, networks)).abs().max() < 1e-9
        torch.testing.assert_close(module(networks)[:1], module(networks[:1]))


@pytest.mark.parametrize("name", SMALL)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(arch=graphs(), seed=st.integers(0, 1000))
def test_random_graphs_are_read_up_to_neuron_order(name: str, arch: wb.Architecture, seed: int) -> None:
    networks = networks_of(arch, 3, seed)
    module = build(name, arch, readout="mean")
    assert (outputs(module, permuted(networks)) - outputs(module, networks)).abs().max() < 1e-9


@pytest.mark.parametrize("arch", BRANCHED.values(), ids=BRANCHED)
@pytest.mark.parametrize("name", SMALL)
def test_every_tensor_is_read(name: str, arch: wb.Architecture) -> None:
    module, networks = build(name, arch, readout="mean"), networks_of(arch)
    expected = outputs(module, networks)
    for tensor in arch.tensors:
        params = networks.params.clone()
        params[:, tensor.start : tensor.stop] *= 1.5
        changed = outputs(module, wb.Networks(arch, params))
        assert (changed - expected).abs().max() > 1e-6, tensor.name


@pytest.mark.parametrize("name", SMALL)
def test_values_belong_to_their_head(name: str) -> None:
    """Exchanging the values of two heads, but not their queries and keys, is another network."""
    arch = vision_transformer()
    networks = networks_of(arch)
    changed = networks.params.clone()
    tensors = [changed[:, t.start : t.stop].unflatten(1, t.shape) for t in arch.tensors]
    first = [tensor.name for tensor in arch.tensors].index("layer0.v.weight")  # then its bias, then what reads them
    for values, axis in zip(tensors[first : first + 3], (1, 1, 2), strict=True):
        values.copy_(values.roll(4, axis))
    module, swapped = build(name, arch, readout="mean"), wb.Networks(arch, changed)
    x = torch.randn(2, 1, 6, 6, dtype=torch.float64)
    assert not torch.allclose(swapped.forward(x), networks.forward(x))
    assert (outputs(module, swapped) - outputs(module, networks)).abs().max() > 1e-6


@pytest.mark.parametrize("name", SMALL)
def test_deeper_wider_and_other_networks_than_in_training_are_read(name: str) -> None:
    given = {"readout": "mean", "position_embeddings": False}
    module = build(name, resnet(), **given)
    for arch in (resnet(6, outputs=5), vision_transformer(layers=3), wb.Architecture.mlp((7, 3, 3, 3, 3, 3, 3, 2))):
        networks = networks_of(arch)
        assert (outputs(module, permuted(networks)) - outputs(module, networks)).abs().max() < 1e-9


@pytest.mark.parametrize("name", SMALL)
def test_of_large_networks_the_strongest_neurons_are_read(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Also these up to neuron order; and a network all of whose weak neurons are changed gives the same answer."""
    monkeypatch.setattr(graph_view, "MAX_EDGES", 100)
    graph_view.seen_layout.cache_clear()
    try:
        for arch in (resnet(8), vision_transformer(8), wb.Architecture.mlp((2, 40, 40, 3))):
            assert sum(graph_view.seen_layout(arch).widths) < sum(layout_of(arch).widths)
            module, networks = build(name, arch, readout="mean"), networks_of(arch)
            assert (outputs(module, permuted(networks)) - outputs(module, networks)).abs().max() < 1e-9
        strength = networks.weights[1].square().sum(2) + networks.weights[2].square().sum(1)
        weak = wb.Networks(arch, networks.params.clone())
        weak.biases[1].scatter_(1, strength.argmin(1, keepdim=True), 9.0)
        assert torch.equal(module(weak), module(networks))
    finally:
        graph_view.seen_layout.cache_clear()


@pytest.mark.parametrize("name", SMALL)
def test_what_cannot_be_read_together_is_refused_in_one_line(name: str) -> None:
    two = (resnet(outputs=3), resnet(outputs=4))
    with pytest.raises(wb.BadInput, match=r"equally many outputs, this zoo's networks have \[3, 4\]: choose readout"):
        build(name, *two, readout="outputs")
    build(name, *two, readout="mean")
    if name == "gcn":
        return
    with pytest.raises(wb.BadInput, match=r"on the same inputs, this zoo's take \[\(1, 6, 6\), \(6,\)\]"):
        build(name, BRANCHED["resnet"], BRANCHED["word-transformer"], probes=4)
    with pytest.raises(wb.BadInput, match="which cannot be numbers of words"):
        build(name, BRANCHED["word-transformer"], probes=4)
    build(name, BRANCHED["resnet"], BRANCHED["vision-transformer"], probes=4)(networks_of(BRANCHED["resnet"]))


def positive_task(arch: wb.Architecture) -> RandomTask:
    """Random networks whose variances are positive."""
    task = RandomTask(arch, networks=16)
    for split in task.splits.values():
        for tensor in arch.tensors:
            if tensor.kind == "running_var":
                split.networks.params[:, tensor.start : tensor.stop].abs_()
    return task


@pytest.mark.parametrize("arch", BRANCHED.values(), ids=BRANCHED)
def test_structure_is_embedded_up_to_neuron_order(arch: wb.Architecture) -> None:
    task = positive_task(arch)
    method = wb.load_method("structure-reps", laplacian="levels", epochs=1, edge_features=True)
    method.fit(task, task.splits["train"], task.splits["val"], seed=0, device="cpu")
    method.model.double()
    networks = networks_of(arch)
    embedded = method.transform(networks)
    assert embedded.std(0).max() > 1e-3
    assert (method.transform(permuted(networks)) - embedded).abs().max() < 1e-9
    neurons_move_along(method, networks)


@pytest.mark.parametrize("arch", BRANCHED.values(), ids=BRANCHED)
def test_graph_metrics_ignore_neuron_order(arch: wb.Architecture) -> None:
    networks = networks_of(arch)
    found = metrics(networks)
    assert found.isfinite().all()
    assert (metrics(permuted(networks)) - found).abs().max() < 1e-9
    neurons_move_along(wb.load_method("graph-metrics"), networks)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(arch=graphs(), seed=st.integers(0, 1000))
def test_metrics_of_random_graphs_ignore_neuron_order(arch: wb.Architecture, seed: int) -> None:
    networks = networks_of(arch, 2, seed)
    moved = permuted(networks)
    torch.testing.assert_close(metrics(moved), metrics(networks), atol=1e-9, rtol=1e-9)
    method, groups = wb.load_method("graph-metrics"), symmetry.neuron_groups(arch)
    first, last = (method.node_embeddings(found) for found in (networks, moved))
    assert [x.shape[:2] for x in first] == [(2, group.size) for group in groups]
    if groups:
        together = [torch.cat(found, 1).sort(1).values for found in (first, last)]
        torch.testing.assert_close(*together, atol=1e-9, rtol=1e-9)


def neurons_move_along(method: wb.Method, networks: wb.Networks) -> None:
    """Embeddings of neurons are reordered with them; heads and groups also exchange the neurons inside them."""
    arch = networks.arch
    groups = symmetry.neuron_groups(arch)
    orders = symmetry.sample(arch, "permutation", len(networks), torch.Generator().manual_seed(3))
    before, after = (method.node_embeddings(found) for found in (networks, networks.permuted(orders)))
    assert [x.shape[:2] for x in before] == [(len(networks), group.size) for group in groups]
    together = [torch.cat(embeddings, 1).sort(1).values for embeddings in (before, after)]
    assert together[0].std(1).min() > 1e-6
    torch.testing.assert_close(together[1], together[0], atol=1e-9, rtol=0)
    if arch is BRANCHED["resnet"]:
        for order, first, last in zip(orders, before, after, strict=True):
            torch.testing.assert_close(last, first.take_along_dim(order.unsqueeze(2), 1), atol=1e-9, rtol=0)


@pytest.mark.parametrize("arch", BRANCHED.values(), ids=BRANCHED)
def test_level_features_are_eigenvectors_of_the_graphs_laplacian(arch: wb.Architecture) -> None:
    topology = GraphTopology(arch, 4)
    found = topology.level_positions(networks_of(arch, 1)).double()
    adjacency = torch.zeros(topology.nodes, topology.nodes, dtype=torch.float64)
    adjacency[topology.edge_index[0], topology.edge_index[1]] = 1
    adjacency = ((adjacency + adjacency.T) > 0).double()
    scale = adjacency.sum(1).rsqrt()
    moved = found - scale.unsqueeze(1) * adjacency @ (scale.unsqueeze(1) * found)
    values = (moved * found).sum(0)
    torch.testing.assert_close(moved, found * values, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.T @ found, torch.eye(4).double(), atol=1e-6, rtol=0)
    assert (values.diff() > -1e-6).all()


@pytest.mark.parametrize("arch", BRANCHED.values(), ids=BRANCHED)
def test_gcn_is_a_product_with_the_normalised_adjacency(arch: wb.Architecture) -> None:
    networks, module = networks_of(arch, 1), build("gcn", arch, depth=1)
    topology = GraphTopology(arch, 1)
    source, target = topology.edge_index
    length = max(values.shape[3] for values in topology.weights(networks))
    strengths = topology.edges(networks, length).norm(dim=1)
    adjacency = torch.eye(topology.nodes, dtype=torch.float64)
    for ends in ((source, target), (target, source)):
        adjacency.index_put_(ends, strengths, accumulate=True)
    scale = adjacency.sum(1).rsqrt()
    x = torch.cat(module.embedding.nodes(module.embedding.view(networks)), 1)[0]
    convolved = (scale.unsqueeze(1) * adjacency * scale) @ module.layers[0](x)
    torch.testing.assert_close(module(networks)[0], module.read(convolved.relu().mean(0)))


@pytest.mark.parametrize("name", ["probegen", "vanilla-probe"])
def test_probes_are_no_words(name: str) -> None:
    train = SimpleNamespace(table={})
    for arch in BRANCHED.values():
        task = SimpleNamespace(splits={"train": train}, architectures=[arch], output="logits", output_dim=3)
        method = wb.load_method(name)
        if arch is BRANCHED["word-transformer"]:
            with pytest.raises(wb.BadInput, match="which cannot be numbers of words"):
                method.check(task)
        else:
            method.check(task)
            assert method.build(task).double()(networks_of(arch)).shape == (3, 3)


@pytest.mark.parametrize("arch", BRANCHED.values(), ids=BRANCHED)
@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_is_trained(name: str, arch: wb.Architecture) -> None:
    module = build(name, arch, readout="mean")
    module(networks_of(arch)).square().sum().backward()
    assert [key for key, parameter in module.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("name", SMALL)
def test_a_fit_on_resnets(name: str) -> None:
    task = positive_task(resnet())
    method = wb.load_method(name, **SMALL[name], epochs=1, augment=("permutation", "noise"))
    method.fit(task, task.splits["train"], task.splits["val"], seed=0, device="cpu")
    assert method.predict(task.splits["test"].networks).isfinite().all()
