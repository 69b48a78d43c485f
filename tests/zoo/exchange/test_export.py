"""State dicts and stacked arrays, in and out: what is exported comes back bit for bit."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.published_formats import write_modelzoo, write_small_cnn_zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import weightbench as wb
from weightbench.zoo.networks.architecture import Architecture
from weightbench.zoo.networks.operations.elementwise import Activation
from weightbench.zoo.networks.operations.joining import Add
from weightbench.zoo.networks.operations.layers import Linear
from weightbench.zoo.storage.zoo import Zoo


def mlps(n: int, sizes: tuple[int, ...] = (2, 8, 3), *, bias: bool = True) -> list[nn.Sequential]:
    torch.manual_seed(0)
    found = []
    for _ in range(n):
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs, bias=bias), nn.ReLU()]
        found.append(nn.Sequential(*layers[:-1]))
    return found


def write_torch(folder: Path, nets: list[nn.Sequential]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, net in enumerate(nets):
        torch.save(net.state_dict(), folder / f"net{number}.pt")


def outputs(zoo: Zoo, x: Tensor) -> dict[str, Tensor]:
    """By the network's file."""
    return {
        file: output
        for split in zoo.splits.values()
        for networks, (_, table) in zip(split.groups, split.table.groupby("architecture", sort=False), strict=True)
        for file, output in zip(table["file"], networks.forward(x), strict=True)
    }


def same_networks(one: Zoo, other: Zoo) -> None:
    """Equal ids, splits, architectures, tables and parameters, bit for bit."""
    assert one.manifest.splits == other.manifest.splits
    for name, split in one.splits.items():
        for key in one.manifest.architectures:
            first, second = (
                dict(zip(z[name].table["architecture"].unique(), z[name].groups, strict=True)) for z in (one, other)
            )
            assert (key in first) == (key in second)
            if key in first:
                assert first[key].arch == second[key].arch
                assert torch.equal(first[key].params.view(torch.int32), second[key].params.view(torch.int32))
        mine = split.table.drop(columns=["file"], errors="ignore")
        pd.testing.assert_frame_equal(mine, other[name].table[mine.columns], check_dtype=False)


@pytest.mark.parametrize("format", ["state-dicts", "npz"])
@pytest.mark.parametrize("source", ["digits-inrs", "small-cnn-zoo", "modelzoo"])
def test_exports_come_back_bit_for_bit(source: str, format: str, small_zoo: Path, tmp_path: Path) -> None:
    if source == "digits-inrs":
        zoo = wb.load_zoo(small_zoo)
    else:
        {"small-cnn-zoo": write_small_cnn_zoo, "modelzoo": write_modelzoo}[source](tmp_path / "published")
        zoo = wb.import_zoo(source, tmp_path / "published", name="first", out=tmp_path / "first")
    wb.export_zoo(zoo, format, tmp_path / "plain")
    again = wb.import_zoo("state-dicts", tmp_path / "plain", name="second", out=tmp_path / "second")
    same_networks(zoo, again)
    assert not list(tmp_path.glob(".*"))


def test_exported_files_are_what_others_read(small_zoo: Path, tmp_path: Path, cli) -> None:
    code, out, err = cli("zoo", "export", small_zoo, "--format", "state-dicts", "--out", tmp_path / "plain")
    assert (code, err) == (0, "")
    assert str(tmp_path / "plain") in out
    zoo = wb.load_zoo(small_zoo)
    labels = pd.read_csv(tmp_path / "plain/labels.csv")
    assert len(labels) == 240
    row = labels.iloc[200]
    state = load_file(tmp_path / "plain" / row["file"])
    where = zoo[row["split"]].ids.index(row["id"])
    expected = zoo[row["split"]].networks.state_dicts()[where]
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in state)
    wb.export_zoo(zoo, "npz", tmp_path / "arrays")
    with np.load(tmp_path / "arrays/val.npz") as arrays:
        assert arrays["0.weight"].shape == (24, 16, 2)
        assert arrays["id"].tolist() == zoo["val"].ids


def test_exports_leave_what_is_there_alone(small_zoo: Path, tmp_path: Path, cli) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/thesis.tex").write_text("precious")
    code, out, err = cli("zoo", "export", small_zoo, "--format", "npz", "--out", tmp_path / "plain")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"{tmp_path / 'plain'}: holds something already" in err
    assert (tmp_path / "plain/thesis.tex").read_text() == "precious"
    code, _, err = cli("zoo", "export", small_zoo, "--format", "onnx", "--out", tmp_path / "new")
    assert (code, "unknown export format 'onnx'" in err) == (2, True)
    code, _, err = cli("zoo", "export", "no-such-zoo", "--format", "npz", "--out", tmp_path / "new")
    assert (code, "unknown zoo" in err) == (2, True)


def test_hostile_ids_stay_in_the_folder(tmp_path: Path) -> None:
    write_torch(tmp_path / "nets", mlps(6))
    ids = ["../../out", "/abs", "a/b", "a_b", "..", "x" * 300]
    (tmp_path / "t.csv").write_text("file,id\n" + "".join(f"net{i}.pt,{name}\n" for i, name in enumerate(ids)))
    zoo = wb.import_zoo(
        "state-dicts", tmp_path / "nets", name="mine", labels=tmp_path / "t.csv", out=tmp_path / "home/zoo"
    )
    wb.export_zoo(zoo, "state-dicts", tmp_path / "home/plain")
    inside = set(tmp_path.rglob("*.safetensors"))
    assert len(inside) == 6
    assert all(path.parent.parent == tmp_path / "home/plain" for path in inside)
    again = wb.import_zoo("state-dicts", tmp_path / "home/plain", name="again", out=tmp_path / "home/again")
    same_networks(zoo, again)


@given(
    sizes=st.lists(st.integers(1, 7), min_size=2, max_size=5),
    kind=st.sampled_from(["pt", "safetensors", "npz", "stacked"]),
    bias=st.booleans(),
    order=st.sampled_from(["out-in", "in-out"]),
)
@settings(max_examples=6, deadline=None, derandomize=True)
def test_any_mlp_in_any_file_keeps_every_bit(
    sizes: list[int], kind: str, bias: bool, order: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("mlps")
    nets = mlps(5, (*sizes, 3), bias=bias)
    states = [
        {n: v.T.contiguous() if order == "in-out" and v.ndim == 2 else v for n, v in net.state_dict().items()}
        for net in nets
    ]
    path = folder / "nets"
    path.mkdir()
    for number, state in enumerate(states):
        file = path / f"net{number}.{kind}"
        if kind == "pt":
            torch.save(state, file)
        elif kind == "safetensors":
            save_file(state, file)
        elif kind == "npz":
            np.savez(file, **{n: v.numpy() for n, v in state.items()})
    if kind == "stacked":
        np.savez(folder / "nets.npz", **{n: np.stack([state[n].numpy() for state in states]) for n in states[0]})
        path = folder / "nets.npz"
    zoo = wb.import_zoo("state-dicts", path, name="mine", order=order, out=folder / "zoo")
    x = torch.randn(4, sizes[0])
    found = outputs(zoo, x)
    assert len(found) == 5
    for number, net in enumerate(nets):
        file = str(number) if kind == "stacked" else f"net{number}.{kind}"
        torch.testing.assert_close(found[file], net(x), atol=1e-5, rtol=1e-5)
    wb.export_zoo(zoo, "state-dicts", folder / "plain")
    same_networks(zoo, wb.import_zoo("state-dicts", folder / "plain", name="again", out=folder / "again"))


def test_what_is_assumed_is_said(tmp_path: Path, cli) -> None:
    write_torch(tmp_path / "square", mlps(6, (4, 4, 4), bias=False))
    code, out, _ = cli("zoo", "import", "state-dicts", tmp_path / "square", "--name", "mine", "--out", tmp_path / "zoo")
    assert code == 0
    assert "note: weights fit both ways round and were taken as [out, in]" in out
    assert "note: the activation is not said anywhere and was taken to be ReLU" in out
    write_torch(tmp_path / "doubles", [net.double() for net in mlps(6)])
    arguments = ("--name", "mine", "--activation", "tanh", "--out", tmp_path / "doubles-zoo")
    code, out, _ = cli("zoo", "import", "state-dicts", tmp_path / "doubles", *arguments)
    assert "note: float64 weights were cast to float32" in out
    assert "ReLU" not in out
    assert "mlp-2-8-3-tanh: 51 parameters" in out


def test_an_activation_of_the_output(tmp_path: Path, cli) -> None:
    nets = [nn.Sequential(*net, nn.Sigmoid()) for net in mlps(6)]
    write_torch(tmp_path / "nets", nets)
    given = ("zoo", "import", "state-dicts", tmp_path / "nets", "--name", "mine", "--output-activation", "sigmoid")
    assert cli(*given, "--out", tmp_path / "zoo")[0] == 0
    x = torch.randn(4, 2)
    for file, output in outputs(wb.load_zoo(tmp_path / "zoo"), x).items():
        torch.testing.assert_close(output, nets[int(file[3:-3])](x), atol=1e-5, rtol=1e-5)
    arch = tmp_path / "arch.json"
    arch.write_text(wb.Architecture.mlp((2, 8, 3)).model_dump_json())
    code, _, err = cli(*given, "--arch", arch, "--out", tmp_path / "other")
    assert (code, "--output-activation: --arch says that itself" in err) == (2, True)


def test_different_architectures_make_a_heterogeneous_zoo(tmp_path: Path) -> None:
    nets = [*mlps(12, (2, 8, 3)), *mlps(12, (2, 5, 5, 3)), *mlps(12, (4, 3))]
    write_torch(tmp_path / "nets", nets)
    zoo = wb.import_zoo("state-dicts", tmp_path / "nets", name="mine", out=tmp_path / "zoo")
    assert set(zoo.manifest.architectures) == {"mlp-2-8-3-relu", "mlp-2-5-5-3-relu", "mlp-4-3"}
    assert sum(len(group) for split in zoo.splits.values() for group in split.groups) == 36
    for networks in zoo["train"].groups:
        x = torch.randn(3, *networks.arch.input_shape)
        files = zoo["train"].table.groupby("architecture").get_group(str(networks.arch).replace(" ", "-"))["file"]
        for output, file in zip(networks.forward(x), files, strict=True):
            torch.testing.assert_close(output, nets[int(file[3:-3])](x), atol=1e-5, rtol=1e-5)
    wb.export_zoo(zoo, "npz", tmp_path / "plain")
    same_networks(zoo, wb.import_zoo("state-dicts", tmp_path / "plain", name="again", out=tmp_path / "again"))


def test_a_described_architecture_with_a_residual_edge(tmp_path: Path) -> None:
    arch = Architecture(
        input_shape=(3,),
        operations=(
            Linear(in_features=3, out_features=6),
            Activation(name="tanh"),
            Linear(in_features=6, out_features=6),
            Add(source=1),
            Linear(in_features=6, out_features=2),
        ),
    )
    nets = [nn.Sequential(nn.Linear(3, 6), nn.Linear(6, 6), nn.Linear(6, 2)) for _ in range(6)]
    write_torch(tmp_path / "nets", nets)
    (tmp_path / "arch.json").write_text(arch.model_dump_json())
    zoo = wb.import_zoo(
        "state-dicts", tmp_path / "nets", name="mine", arch=tmp_path / "arch.json", out=tmp_path / "zoo"
    )
    x = torch.randn(5, 3)
    for file, output in outputs(zoo, x).items():
        first, second, third = nets[int(file[3:-3])]
        hidden = torch.tanh(first(x))
        torch.testing.assert_close(output, third(second(hidden) + hidden), atol=1e-5, rtol=1e-5)


def test_labels_bring_columns_classes_splits_and_groups(tmp_path: Path) -> None:
    write_torch(tmp_path / "nets", mlps(24))
    lines = ["file,label,score,run,split"]
    for number in range(24):
        split = ("train", "val", "test")[number // 4 % 3]
        lines.append(f"net{number}.pt,{('cat', 'dog')[number % 2]},{number / 7},{number // 4},{split}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    labelled = wb.import_zoo(
        "state-dicts", tmp_path / "nets", name="mine", labels=tmp_path / "table.csv", out=tmp_path / "zoo"
    )
    assert labelled.source.classes == ["cat", "dog"]
    assert sorted(labelled["val"].table["run"].unique()) == [1, 4]
    test = labelled["test"].table
    numbers = test["file"].str.extract(r"(\d+)")[0].astype(int)
    assert (test["label"] == numbers % 2).all()
    assert test["score"].to_numpy() == pytest.approx(numbers.to_numpy() / 7)
    table = pd.read_csv(tmp_path / "table.csv").drop(columns="split")
    table.to_csv(tmp_path / "free.csv", index=False)
    drawn = wb.import_zoo(
        "state-dicts", tmp_path / "nets", name="mine", labels=tmp_path / "free.csv", out=tmp_path / "drawn"
    )
    runs = [set(split.table["run"]) for split in drawn.splits.values()]
    assert sorted(run for side in runs for run in side) == list(range(6))


def test_names_that_tell_no_layers_apart(tmp_path: Path) -> None:
    nets = mlps(6)
    (tmp_path / "nets").mkdir()
    for number, net in enumerate(nets):
        names = {"w1": net[0].weight, "w2": net[2].weight, "b1": net[0].bias, "b2": net[2].bias}
        save_file({name: value.detach() for name, value in names.items()}, tmp_path / f"nets/net{number}.safetensors")
    zoo = wb.import_zoo("state-dicts", tmp_path / "nets", name="mine", out=tmp_path / "zoo")
    x = torch.randn(5, 2)
    for file, output in outputs(zoo, x).items():
        torch.testing.assert_close(output, nets[int(file[3:].partition(".")[0])](x), atol=1e-5, rtol=1e-5)


def test_the_architectures_that_are_written_are_the_ones_that_are_read(small_zoo: Path, tmp_path: Path) -> None:
    zoo = wb.load_zoo(small_zoo)
    wb.export_zoo(zoo, "npz", tmp_path / "plain")
    described = json.loads((tmp_path / "plain/architectures.json").read_text())
    assert {key: Architecture.model_validate(arch) for key, arch in described.items()} == zoo.manifest.architectures
