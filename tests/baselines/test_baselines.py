"""The baselines: what they are blind to and what not, and what they do with odd networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.planted_zoo import networks as planted
from helpers.planted_zoo import write_zoo
from helpers.published_formats import write_nfn
from helpers.random_task import RandomTask
from hypothesis import given, settings
from hypothesis import strategies as st

import weightbench as wb
from weightbench.baselines.graph_metrics import metrics
from weightbench.methods.statistics.weight_statistics import statistics
from weightbench.methods.training.neural_method import NeuralMethod
from weightbench.zoo.networks import symmetry

INR = wb.Architecture.mlp((2, 6, 5, 1), "sine", omega_0=30.0)
CNN = wb.Architecture.cnn((1, 9, 9), (3, 4), 2, activation="tanh", padding=1)
FEATURE_METHODS = ["graph-metrics"]
FUNCTIONAL = ["inr-decode", "vanilla-probe", "probegen", "probe-conv"]
ORDERED = ["mlp", "set-nn", "neuron-set", "cnn-on-weights"]
BRIEF = {"epochs": 1, "batch_size": 8, "width": 8, "depth": 2, "probes": 4, "trees": 3}


def brief(name: str) -> wb.Method:
    fields = type(wb.load_method(name)).__dataclass_fields__
    return wb.load_method(name, **{key: value for key, value in BRIEF.items() if key in fields})


def permuted(networks: wb.Networks) -> wb.Networks:
    permutations = symmetry.sample(networks.arch, "permutation", len(networks), torch.Generator().manual_seed(3))
    return networks.permuted(permutations)


@pytest.mark.parametrize("name", ORDERED)
def test_the_order_of_neurons_shows(name: str) -> None:
    torch.manual_seed(0)
    task = RandomTask(INR, dtype=torch.float64)
    networks = task.splits["test"].networks
    module = brief(name).build(task).double().eval()
    plain = module(networks)
    assert (module(permuted(networks)) - plain).abs().max() > 1e-3 * plain.std()


def test_set_nn_sees_the_layers_between_hidden_ones_alone() -> None:
    torch.manual_seed(0)
    task = RandomTask(wb.Architecture.mlp((2, 6, 5, 4, 1), "sine"), dtype=torch.float64)
    networks = task.splits["test"].networks
    module = brief("set-nn").build(task).double().eval()
    plain = module(networks)
    for number, tensor in enumerate(networks.arch.tensors):
        changed = networks.params.clone()
        changed[:, tensor.start : tensor.stop] += 1
        moved = (module(wb.Networks(networks.arch, changed)) - plain).abs().max() > 1e-6
        assert moved == (2 <= number < len(networks.arch.tensors) - 2)
    # The set has no order: rows of a hidden matrix may be exchanged alone.
    rows = networks.arch.tensors[2]
    exchanged = networks.params.clone()
    matrix = exchanged[:, rows.start : rows.stop].view(-1, 5, 6)
    exchanged[:, rows.start : rows.stop] = matrix[:, [1, 0, 2, 4, 3]].flatten(1)
    torch.testing.assert_close(module(wb.Networks(networks.arch, exchanged)), plain)


def test_set_nn_refuses_networks_of_one_hidden_layer() -> None:
    with pytest.raises(wb.BadInput, match="mlp 4-6-3 relu has none: try neuron-set"):
        wb.load_method("set-nn").check(RandomTask(wb.Architecture.mlp((4, 6, 3))))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(FUNCTIONAL),
    sizes=st.lists(st.integers(1, 6), max_size=3),
    activation=st.sampled_from(["sine", "tanh", "relu"]),
)
def test_what_sees_the_function_alone_is_blind_to_all_symmetries(name: str, sizes: list[int], activation: str) -> None:
    torch.manual_seed(0)
    task = RandomTask(wb.Architecture.mlp((2, *sizes, 1), activation), networks=4, dtype=torch.float64)
    networks, module = task.splits["test"].networks, brief(name).build(task).double().eval()
    plain = module(networks)
    for kind in symmetry.KINDS:
        elements = symmetry.sample(networks.arch, kind, len(networks), torch.Generator().manual_seed(3))
        assert (module(networks.transformed(kind, elements)) - plain).abs().max() < 1e-9


@pytest.mark.parametrize("arch", [INR, CNN], ids=str)
@pytest.mark.parametrize("features", [metrics, statistics])
def test_features_do_not_see_the_order(features, arch: wb.Architecture) -> None:
    networks = RandomTask(arch, dtype=torch.float64).splits["test"].networks
    plain, moved = features(networks), features(permuted(networks))
    assert plain.shape[0] == len(networks)
    assert plain.std(0).max() > 0
    assert (plain - moved).abs().max() < 1e-9


ODD = [
    (name, arch)
    for name in (*FEATURE_METHODS, *ORDERED, "vanilla-probe")
    for arch in (INR, CNN, wb.Architecture.mlp((2, 1, 1), "relu"), wb.Architecture.mlp((3, 2)))
    if name != "set-nn" or len(arch.layers) > 2  # it refuses others
]


@pytest.mark.parametrize("output", ["logits", "values"])
@pytest.mark.parametrize(("name", "arch"), ODD, ids=str)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_odd_architectures_and_batches(name: str, arch: wb.Architecture, output: str) -> None:
    """CNNs, one neuron, one layer; batches of none and one; classes and values."""
    torch.manual_seed(0)
    task, method = RandomTask(arch, output, classes=2), brief(name)
    if isinstance(method, NeuralMethod):
        predict = method.build(task).eval()
    else:
        method.fit(task, task.splits["train"], task.splits["val"], seed=0, device="cpu")
        predict = method.predict
    networks = task.splits["test"].networks
    with torch.no_grad():
        together = predict(networks)
        assert together.shape == (len(networks), task.output_dim)
        torch.testing.assert_close(predict(networks[2]), together[2:3], atol=1e-5, rtol=1e-5)
        if (name, arch) != ("vanilla-probe", CNN):  # a convolution of no networks is none
            assert predict(networks[:0]).shape == (0, task.output_dim)


@pytest.mark.parametrize("name", [*ORDERED, "inr-decode"])
def test_other_architectures_are_refused_in_one_line(name: str) -> None:
    task, method = RandomTask(INR, classes=2), brief(name)
    method.fit(task, task.splits["train"], task.splits["val"], seed=0, device="cpu")
    others = RandomTask(wb.Architecture.mlp((2, 5, 6, 1), "sine")).splits["test"].networks
    with pytest.raises(wb.BadInput, match=r"built for mlp 2-6-5-1 sine, is given mlp 2-5-6-1 sine"):
        method.predict(others)


@pytest.mark.parametrize("name", FEATURE_METHODS)
def test_networks_that_are_not_finite_are_named(name: str) -> None:
    task, method = RandomTask(INR, classes=2), brief(name)
    method.fit(task, task.splits["train"], task.splits["val"], seed=0, device="cpu")
    networks = task.splits["test"].networks
    networks.params[7, 3] = torch.nan
    with pytest.raises(wb.BadInput, match=r"1 of 24 networks with non-finite parameters, the first is number 7"):
        method.predict(networks)


def test_only_inrs_of_images_are_decoded(tmp_path: Path) -> None:
    with pytest.raises(wb.BadInput, match="inr-decode takes INRs of images"):
        brief("inr-decode").check(RandomTask(CNN))
    label = np.arange(40) % 2
    zoo = write_zoo(tmp_path / "zoo", {"mlp": planted((2, 3, 1), 40)}, extra={"label": label})
    with pytest.raises(wb.BadInput, match="its networks do not encode images"):
        wb.run("inr-decode", task="inr-classification", zoo=zoo, split="within-run", out=tmp_path / "runs")
    assert not list(tmp_path.glob("runs/*"))


def test_imported_inrs_are_decoded_as_they_were_made(tmp_path: Path) -> None:
    """They have no source images, rows before columns, and black at -1."""
    write_nfn(tmp_path / "published", [*range(40), *range(45_000, 45_004), *range(50_000, 50_004)], copies=1)
    wb.import_zoo("nfn", tmp_path / "published", name="mine", out=tmp_path / "zoo")
    zoo = wb.load_zoo(tmp_path / "zoo")
    assert "image" not in zoo.manifest.columns
    (result,) = wb.run(brief("inr-decode"), task="inr-classification", zoo=zoo, out=tmp_path / "runs")
    assert (result.status, result.error) == ("ok", None)
    module = brief("inr-decode").build(wb.load_task("inr-classification", zoo))
    seen = []
    module.read.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    module(zoo["test"].networks)
    assert torch.equal(seen[0][:, 0], zoo.render(zoo["test"].networks))


def test_a_zoo_of_several_architectures_is_refused() -> None:
    class Mixed(RandomTask):
        architectures = [INR, CNN]

    for name in (*ORDERED, "dwsnet", "nfn-np"):
        with pytest.raises(wb.BadInput, match="one architecture"):
            brief(name).check(Mixed(INR))


def test_refitting_nears_the_dilated_picture_with_every_step(small_zoo: Path, tmp_path: Path) -> None:
    scores = []
    for steps in (5, 20, 80):
        method = wb.load_method("refit", steps=steps, batch_size=7)
        (result,) = wb.run(method, task="inr-dilation", zoo=small_zoo, out=tmp_path)
        scores.append(result.score)
    assert scores[2] < scores[1] / 2 < scores[0] / 4
