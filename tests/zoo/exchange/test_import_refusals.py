"""What an import refuses: one line that names the file and the mend, exit code 2, and nothing left behind."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.published_formats import write_dwsnets_fmnist, write_dwsnets_mnist, write_modelzoo, write_small_cnn_zoo
from safetensors.torch import save_file
from torch import Tensor, nn

State = dict[str, Tensor]


def mlp(seed: int = 0) -> State:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3)).state_dict()


def write_mlps(folder: Path, n: int = 10) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(n):
        torch.save(mlp(seed), folder / f"net{seed}.pt")


class Evil:
    """Unpickling it with the full machinery makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("where", ["value", "whole", "legacy"])
def test_a_pickle_that_asks_for_code_is_refused_and_not_run(where: str, refused, tmp_path: Path) -> None:
    write_mlps(tmp_path / "nets")
    marker, file = tmp_path / "pwned", tmp_path / "nets/net3.pt"
    content: Any = Evil(marker) if where == "whole" else mlp() | {"extra": Evil(marker)}
    torch.save(content, file, _use_new_zipfile_serialization=where != "legacy")
    err = refused(tmp_path / "nets")
    assert f"{file}: holds something else than tensors (posix.mkdir), which was not run" in err
    assert "torch.save(net.state_dict(), path)" in err
    assert not marker.exists()
    torch.load(file, weights_only=False)
    assert marker.exists()  # the fixture is armed: the ordinary loader runs it


def batch_norm(file: Path) -> None:
    torch.save(nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)).float().state_dict(), file)


def layer_norm(file: Path) -> None:
    torch.save(nn.Sequential(nn.Linear(2, 4), nn.LayerNorm(4), nn.Linear(4, 3)).state_dict(), file)


def conv(file: Path) -> None:
    torch.save(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4, 3)).state_dict(), file)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda file: torch.save(nn.Linear(2, 3), file), "holds something else than tensors (torch.nn.modules"),
        (lambda file: torch.save({"epoch": 3, "state_dict": mlp()}, file), "epoch is a int, expected a tensor"),
        (lambda file: torch.save([1, 2], file), "holds a list, expected a state dict"),
        (lambda file: torch.save({}, file), "holds no tensors"),
        (lambda file: torch.save(mlp() | {"0.bias": torch.zeros(4, dtype=torch.int8)}, file), "0.bias is torch.int8"),
        (lambda file: torch.save(mlp() | {"0.weight": torch.zeros(1).expand(2000, 2000)}, file), "more than the file"),
        (lambda file: torch.save(mlp() | {"0.weight": torch.zeros(2, 2, 2)}, file), "linear weights have 2 axes"),
        (lambda file: torch.save({"0.bias": torch.zeros(4)}, file), "holds no weights"),
        (lambda file: torch.save(mlp() | {"2.weight": torch.zeros(3, 5)}, file), "do not follow one another"),
        (lambda file: torch.save(mlp() | {"0.bias": torch.zeros(5)}, file), "do not follow one another"),
        (lambda file: torch.save({n: v.T if v.ndim == 2 else v for n, v in mlp().items()}, file), "add --order in-out"),
        (lambda file: torch.save(mlp() | {"2.bias": torch.full((3,), torch.nan)}, file), "NaN or infinite weights"),
        (lambda file: torch.save(mlp() | {"2.bias": torch.full((3,), torch.inf)}, file), "NaN or infinite weights"),
        (
            lambda file: torch.save(mlp() | {"2.bias": torch.full((3,), 1e300, dtype=torch.float64)}, file),
            "NaN or infinite",
        ),
        (batch_norm, "1.weight belongs to no linear or convolution weight"),
        (layer_norm, "describe networks with other layers by --arch JSON"),
        (conv, "describe the network with --arch JSON"),
        (lambda file: file.write_bytes(b""), "cannot be read"),
        (lambda file: file.write_bytes(b"PK\x03\x04 no zip"), "not a zip file, or damaged"),
        (lambda file: file.write_bytes(file.read_bytes()[:700]), "not a zip file, or damaged"),
        (lambda file: file.write_text("hello"), "net3.pt"),
        (
            lambda file: save_file(mlp(3), file.with_suffix(".safetensors")),
            "net3.pt and net3.safetensors have the same",
        ),
    ],
)
def test_files_that_are_no_networks(write: Callable[[Path], Any], message: str, refused, tmp_path: Path) -> None:
    write_mlps(tmp_path / "nets")
    write(tmp_path / "nets/net3.pt")
    err = refused(tmp_path / "nets")
    assert "net3.pt" in err
    assert message in err


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda file: np.savez(file, w=np.full((5, 4, 2), None, object)), "save plain arrays with np.savez"),
        (lambda file: file.write_bytes(b"junk"), "not a zip file"),
        (lambda file: np.savez_compressed(file, w=np.zeros((2**12, 2**12), np.float64)), "more than 200 times as many"),
        (lambda file: np.savez(file, w=np.zeros((5, 4, 2)), v=np.zeros((6, 3, 4))), "one row per network"),
        (lambda file: np.savez(file, w=np.zeros((5, 4, 2)), id=np.arange(4)), "id is [4], expected [5]"),
        (lambda file: np.savez(file, w=np.zeros((5, 4, 2), int)), "expected dense floating-point"),
    ],
)
def test_arrays_that_are_no_networks(write: Callable[[Path], Any], message: str, refused, tmp_path: Path) -> None:
    file = tmp_path / "nets.npz"
    write(file)
    err = refused(file)
    assert str(file) in err
    assert message in err


def test_a_safetensors_file_that_is_cut(refused, tmp_path: Path) -> None:
    write_mlps(tmp_path / "nets")
    file = tmp_path / "nets/net11.safetensors"
    save_file(mlp(11), file)
    file.write_bytes(file.read_bytes()[:-8])
    assert f"{file}: cannot be read" in refused(tmp_path / "nets")


def zipped(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def tarred(path: Path, *members: tarfile.TarInfo) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)) if member.isfile() else None)


def entry(name: str, **fields: Any) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(member, key, value)
    return member


@pytest.mark.parametrize("name", ["../evil.pt", "/tmp/evil.pt", "a/../../evil.pt", "..\\evil.pt", "C:evil.pt"])
def test_members_outside_their_folder(name: str, refused, tmp_path: Path) -> None:
    zipped(tmp_path / "nets.zip", {"fine.pt": b"x", name: b"x"})
    tarred(tmp_path / "nets.tar.gz", entry("fine.pt", size=1), entry(name, size=1))
    for path in (tmp_path / "nets.zip", tmp_path / "nets.tar.gz"):
        before = set(tmp_path.rglob("*"))
        err = refused(path)
        assert f"{path}: member {name!r} would be written outside its folder" in err
        assert {found.name for found in set(tmp_path.rglob("*")) - before} <= {"zoos"}
    assert not Path("/tmp/evil.pt").exists()


def test_links_and_devices_in_archives(refused, tmp_path: Path) -> None:
    for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE)):
        path = tmp_path / f"nets{number}.tar.gz"
        tarred(path, entry("net.pt", type=kind, linkname="/etc/passwd"))
        assert f"{path}: net.pt is a link or a device" in refused(path)
    link = zipfile.ZipInfo("net.pt")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "nets.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "net.pt is a link" in refused(tmp_path / "nets.zip")


def test_archives_that_blow_up(refused, tmp_path: Path) -> None:
    zipped(tmp_path / "bomb.zip", {"net.pt": bytes(2**27)})
    tarred(tmp_path / "bomb.tar.gz", entry("net.pt", size=2**27))
    for path in (tmp_path / "bomb.zip", tmp_path / "bomb.tar.gz"):
        assert f"{path}: " in (err := refused(path))
        assert "unpack to 134,217,728, more than 200 times as many" in err
    with zipfile.ZipFile(tmp_path / "huge.zip", "w") as archive:
        archive.writestr("net.pt", b"x")
        archive.filelist[0].file_size = 2**37  # what its directory will say
    assert "unpacks to 137,438,953,472 bytes, more than" in refused(tmp_path / "huge.zip")


def test_archives_that_are_damaged_or_hold_a_file_twice(refused, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("net.pt", b"x")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("net.pt", b"y")
    assert "holds net.pt twice" in refused(tmp_path / "twice.zip")
    for name in ("junk.zip", "junk.tar.xz", "junk.tgz"):
        (tmp_path / name).write_bytes(b"junk")
        assert f"{name}: cannot be unpacked" in refused(tmp_path / name)
    packed = gzip.compress(os.urandom(5000))
    (tmp_path / "cut.tar.gz").write_bytes(packed[:2000])
    assert "cut.tar.gz: cannot be unpacked" in refused(tmp_path / "cut.tar.gz")


def test_files_in_an_archive_are_named_as_the_user_knows_them(refused, tmp_path: Path) -> None:
    write_mlps(tmp_path / "nets")
    torch.save({}, tmp_path / "nets/net3.pt")
    zipped(tmp_path / "nets.zip", {path.name: path.read_bytes() for path in (tmp_path / "nets").iterdir()})
    assert f"{tmp_path / 'nets.zip/net3.pt'}: holds no tensors" in refused(tmp_path / "nets.zip")


LINES = [f"net{seed}.pt,{seed % 3}" for seed in range(10)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file,label", *LINES[:-2]], "has no line for 2 of 10 files, first net8.pt"),
        (["file,label", *LINES, "net10.pt,0"], "names 1 files that are not there, first net10.pt"),
        (["file,label", *LINES, LINES[4]], "names net4.pt twice"),
        (["name,label", *LINES], "has no column `file`, only name, label"),
        (["file,params", *LINES], "a column is called 'params'"),
        (["file,", *LINES], "a column is called 'Unnamed: 1'"),
        (["file,split", *LINES], "line 2: split is '0', expected train, val, test"),
        (["file,split", "net0.pt,", *LINES[1:]], "line 2: split is empty"),
        (["file,split", *(f"net{seed}.pt,train" for seed in range(10))], "do not fill the splits"),
        (
            [
                "file,split,run",
                *(f"net{seed}.pt,{('train', 'val', 'test')[seed % 3]},{seed // 2}" for seed in range(10)),
            ],
            "networks of one group belong on one side",
        ),
        (["file,run", *(f"net{seed}.pt,{seed % 2}" for seed in range(10))], "2 groups of networks do not fill"),
        (["file,label", "net0.pt,", *LINES[1:]], "1 labels are empty"),
        (["file,id", *LINES], "have the same name, 0"),
        (["file,architecture", *LINES], "names architectures, but nothing describes them"),
        ([], "cannot be read"),
    ],
)
def test_tables_that_do_not_fit_their_files(lines: list[str], message: str, refused, tmp_path: Path) -> None:
    write_mlps(tmp_path / "nets")
    table = tmp_path / "table.csv"
    table.write_text("\n".join(lines))
    err = refused(tmp_path / "nets", "--labels", table)
    assert message in err
    assert str(table) in err or str(tmp_path / "nets") in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[1]", "valid dictionary"),
        ("{}", "describes no architecture"),
        ('{"input_shape": [2], "operations": []}', "needs at least one operation with parameters"),
        ('{"input_shape": [2], "operations": [{"op": "dense"}]}', "operations.0"),
        (
            '{"../x": {"input_shape": [2], "operations": [{"op": "linear", "in_features": 2, "out_features": 1}]}}',
            "a key",
        ),
        (
            '{"input_shape": [2], "operations": [{"op": "linear", "in_features": 2, "out_features": 3}]}',
            "it has 4 tensors, expected 2; correct --arch or --order",
        ),
        (
            '{"input_shape": [9], "operations": [{"op": "linear", "in_features": 9, "out_features": 4},'
            ' {"op": "linear", "in_features": 4, "out_features": 3}]}',
            "0.weight is [4, 2], expected [4, 9]",
        ),
    ],
)
def test_architectures_that_do_not_fit(content: str, message: str, refused, tmp_path: Path) -> None:
    write_mlps(tmp_path / "nets")
    arch = tmp_path / "arch.json"
    arch.write_text(content)
    err = refused(tmp_path / "nets", "--arch", arch)
    assert message in err
    assert str(arch) in err or "net0.pt" in err


def test_equal_shapes_need_a_name_for_each_file(refused, tmp_path: Path) -> None:
    write_mlps(tmp_path / "nets")
    layers = [
        {"op": "linear", "in_features": 2, "out_features": 4},
        {"op": "linear", "in_features": 4, "out_features": 3},
    ]
    archs = {
        name: {"input_shape": [2], "operations": [layers[0], {"op": "activation", "name": name}, layers[1]]}
        for name in ("relu", "tanh")
    }
    (tmp_path / "arch.json").write_text(json.dumps(archs))
    assert "fits the architectures relu, tanh: name one" in refused(tmp_path / "nets", "--arch", tmp_path / "arch.json")


def test_wrong_arguments(refused, tmp_path: Path) -> None:
    write_mlps(tmp_path / "nets")
    (tmp_path / "empty").mkdir()
    (tmp_path / "thesis.tex").write_text("x")
    write_mlps(tmp_path / "two", 2)
    nets = tmp_path / "nets"
    assert "is a standard zoo" in refused(nets, name="digits-inrs")
    assert "lower-case letters" in refused(nets, name="../x")
    assert "three numbers" in refused(nets, "--version", "1")
    assert "did you mean modelzoo" in refused(nets, format="model-zoo")
    assert "unknown activation 'rellu': did you mean relu" in refused(nets, "--activation", "rellu")
    assert "out-in" in refused(nets, "--order", "oi")
    assert "--order: the format small-cnn-zoo" in refused(nets, "--order", "in-out", format="small-cnn-zoo")
    assert "no such file or folder" in refused(tmp_path / "nothing")
    assert "holds no .pt, .pth, .safetensors, .npz files" in refused(tmp_path / "empty")
    assert "expected a folder, or a .zip or .tar" in refused(tmp_path / "thesis.tex")
    assert "2 groups of networks do not fill the splits" in refused(tmp_path / "two")
    assert "No such file" in refused(nets, "--labels", tmp_path / "no.csv")
    assert "No such file" in refused(nets, "--arch", tmp_path / "no.json")
    (tmp_path / "nets/net0.pth").write_bytes((tmp_path / "nets/net0.pt").read_bytes())
    for format, example in (("dwsnets", "mnist_png_training_5_0"), ("nfn", "randinit_smaller_5s/net0.pth")):
        assert example in refused(nets, format=format)
    assert "holds 0 files weights.npy" in refused(nets, format="small-cnn-zoo")
    assert "no folder with params.json" in refused(nets, format="modelzoo")


def test_a_folder_that_holds_something_is_left_alone(cli, tmp_path: Path) -> None:
    write_mlps(tmp_path / "nets")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers/thesis.tex").write_text("precious")
    code, _, err = cli(
        "zoo", "import", "state-dicts", tmp_path / "nets", "--name", "mine", "--out", tmp_path / "papers"
    )
    assert (code, "is there already" in err) == (2, True)
    assert (tmp_path / "papers/thesis.tex").read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("layout.csv", lambda text: text.replace("4970", "4971"), "do not fill the 4,970 columns"),
        ("layout.csv", lambda text: text.replace('"(10,)"', '"(5, 2)"'), "no bias and kernel of one layer"),
        ("layout.csv", lambda text: text.replace('"(10,)"', "__import__('os').getcwd()"), "expected varname"),
        ("layout.csv", lambda text: text.replace("shape", "form"), "expected varname"),
        ("metrics.csv.gz", lambda text: text.rpartition("relu")[0], "lines for 32 rows"),
        ("metrics.csv.gz", lambda text: text.replace("modeldir", "folder"), "column modeldir is missing"),
        ("metrics.csv.gz", lambda text: text.replace("tanh", "swish"), "activation 'swish', expected relu or tanh"),
    ],
)
def test_a_small_cnn_zoo_that_does_not_fit_itself(
    name: str, change: Callable[[str], str], message: str, refused, tmp_path: Path
) -> None:
    write_small_cnn_zoo(tmp_path / "cnns")
    path = tmp_path / "cnns" / name
    packed = name.endswith(".gz")
    text = change(gzip.decompress(path.read_bytes()).decode() if packed else path.read_text())
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    err = refused(tmp_path / "cnns", format="small-cnn-zoo")
    assert message in err
    assert str(path) in err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("params.json", "{", "cannot be read"),
        (
            "params.json",
            '{"model::type": "Resnet18", "model::nlin": "relu"}',
            "model::type is 'Resnet18', known are CNN",
        ),
        (
            "params.json",
            '{"model::type": "CNN", "model::nlin": "mish", "model::channels_in": 1}',
            "name: Input should be",
        ),
        (
            "params.json",
            '{"model::type": "CNN", "model::nlin": "relu", "model::channels_in": 3}',
            "0.weight is [8, 1, 5, 5]",
        ),
        ("result.json", '{"training_iteration": 0}\n{"training_iter', "expected a JSON object per line"),
    ],
)
def test_a_model_zoo_that_does_not_fit_itself(name: str, content: str, message: str, refused, tmp_path: Path) -> None:
    write_modelzoo(tmp_path / "zoo")
    trial = tmp_path / "zoo/tune_zoo_mnist/NN_tune_trainable_00001_seed=1"
    (trial / name).write_text(content)
    err = refused(tmp_path / "zoo", format="modelzoo")
    assert message in err.replace("module_list.", "")
    assert str(trial) in err


@pytest.mark.parametrize("label", [None, "seven", -1, 10**12, torch.tensor([1, 2]), torch.tensor(0.5)])
def test_classes_that_are_none(label: Any, refused, tmp_path: Path) -> None:
    write_dwsnets_fmnist(tmp_path / "inrs", 20)
    file = tmp_path / "inrs/fmnist_inrs/train/model_3.pth"
    state = torch.load(file, weights_only=True)
    del state["label"]
    torch.save(state if label is None else state | {"label": label}, file)
    assert f"{file}: holds no class under the key `label`" in refused(tmp_path / "inrs", format="dwsnets")


def test_both_layouts_in_one_folder(refused, tmp_path: Path) -> None:
    write_dwsnets_fmnist(tmp_path / "inrs", 4)
    write_dwsnets_mnist(tmp_path / "inrs", 4)
    assert "import one at a time" in refused(tmp_path / "inrs", format="dwsnets")
