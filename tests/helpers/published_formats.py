"""Zoos in the layouts that the field publishes, written with plain torch: the originals that imports are held against.

Each function writes a folder and returns the original of every network, by its path in that folder.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

Original = nn.Module


class Sine(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(30 * x)


class DWSNetsINR(nn.Module):
    """2-32-32-1, named `seq.{0,1,2}.{weight,bias}` as Navon et al. do."""

    def __init__(self) -> None:
        super().__init__()
        self.seq = nn.ModuleList([nn.Linear(2, 32), nn.Linear(32, 32), nn.Linear(32, 1)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.seq[:-1]:
            x = torch.sin(30 * layer(x))
        return self.seq[-1](x) + 0.5


def write_dwsnets_mnist(folder: Path, n: int = 40) -> dict[str, Original]:
    torch.manual_seed(0)
    found: dict[str, Original] = {}
    for number in range(n):
        part = "testing" if number >= n * 3 // 4 else "training"
        net = DWSNetsINR()
        name = f"mnist-inrs/mnist_png_{part}_{number % 10}_{number}/checkpoints/model_final.pth"
        (folder / name).parent.mkdir(parents=True)
        torch.save(net.state_dict(), folder / name)
        found[name] = net
    return found


def write_dwsnets_fmnist(folder: Path, n: int = 40) -> dict[str, Original]:
    torch.manual_seed(1)
    found: dict[str, Original] = {}
    for number in range(n):
        part = "test" if number >= n * 3 // 4 else "train"
        net = DWSNetsINR()
        name = f"fmnist_inrs/{part}/model_{number}.pth"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        torch.save({**net.state_dict(), "label": number % 10}, folder / name)
        found[name] = net
    return found


class SineLayer(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(30 * self.linear(x))


def write_nfn(folder: Path, items: list[int], copies: int = 2, channels: int = 1) -> dict[str, Original]:
    """`copies` are besides the one without `aug` in its name."""
    torch.manual_seed(2)
    found: dict[str, Original] = {}
    for item in items:
        for copy in ("", *(f"_aug{number}" for number in range(copies))):
            net = nn.Sequential()
            net.add_module("net", nn.Sequential(SineLayer(2, 32), SineLayer(32, 32), nn.Linear(32, channels)))
            name = f"randinit_smaller{copy}_{item % 10}s/net{item}.pth"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            torch.save(net.state_dict(), folder / name)
            found[name] = net
    return found


def write_small_cnn_zoo(folder: Path, runs: int = 8, steps: tuple[int, ...] = (0, 1, 20, 86)) -> dict[str, Original]:
    """Keras' layout: bias before kernel, kernels [height, width, in, out]; MNIST's networks, 4,970 parameters."""
    torch.manual_seed(3)
    rows, lines, found = [], [], {}
    header = "config.activation,config.dataset,config.learning_rate,config.optimizer"
    header += ",modeldir,step,train_accuracy,test_accuracy"
    for run in range(runs):
        activation = ("relu", "tanh")[run % 2]
        for step in steps:
            act = nn.ReLU() if activation == "relu" else nn.Tanh()
            net = nn.Sequential(
                *(nn.Conv2d(1, 16, 3, 2), act, nn.Conv2d(16, 16, 3, 2), act, nn.Conv2d(16, 16, 3, 2), act),
                *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
            )
            row = []
            for layer in (net[0], net[2], net[4], net[8]):
                weight, bias = layer.weight.detach(), layer.bias.detach()
                row += [bias, (weight.permute(2, 3, 1, 0) if weight.ndim == 4 else weight.T).reshape(-1)]
            found[str(len(rows))] = net
            rows.append(torch.cat(row).numpy())
            config = f"{activation},mnist,{0.001 * (run + 1)},adam"
            lines.append(f"{config},/some/where/{run},{step},0.5,{0.01 * step + run / 1000}")
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "weights.npy", np.stack(rows))
    (folder / "metrics.csv.gz").write_bytes(gzip.compress("\n".join([header, *lines, ""]).encode()))
    shapes = [(16,), (3, 3, 1, 16), (16,), (3, 3, 16, 16), (16,), (3, 3, 16, 16), (10,), (16, 10)]
    layout, start = ["varname,start_idx,end_idx,shape"], 0
    for number, shape in enumerate(shapes):
        stop = start + int(np.prod(shape))
        layout.append(f'sequential/layer_{number // 2}/{"kernel" if number % 2 else "bias"}:0,{start},{stop},"{shape}"')
        start = stop
    (folder / "layout.csv").write_text("\n".join([*layout, ""]))
    return found


def model_zoo_cnn(kind: str, channels: int, activation: nn.Module) -> nn.ModuleList:
    """Schürholt et al.'s CNN (28x28) and CNN3 (32x32)."""
    pool, act = nn.MaxPool2d(2, 2), activation
    if kind == "CNN":
        blocks = [nn.Conv2d(channels, 8, 5), pool, act, nn.Conv2d(8, 6, 5), pool, act, nn.Conv2d(6, 4, 2), act]
        return nn.ModuleList([*blocks, nn.Flatten(), nn.Linear(36, 20), act, nn.Linear(20, 10)])
    drop = nn.Dropout(0.5)
    blocks = [nn.Conv2d(channels, 16, 3), pool, act, drop, nn.Conv2d(16, 32, 3), pool, act, drop]
    blocks += [nn.Conv2d(32, 15, 3), pool, act, drop, nn.Flatten()]
    return nn.ModuleList([*blocks, nn.Linear(60, 20), act, drop, nn.Linear(20, 10)])


class ModelZooNet(nn.Module):
    def __init__(self, module_list: nn.ModuleList) -> None:
        super().__init__()
        self.module_list = module_list

    def forward(self, x: Tensor) -> Tensor:
        for module in self.module_list:
            x = module(x)
        return x


def write_modelzoo(folder: Path, trials: int = 8, epochs: tuple[int, ...] = (0, 1, 25, 50)) -> dict[str, Original]:
    torch.manual_seed(4)
    activations = {"tanh": nn.Tanh(), "relu": nn.ReLU(), "gelu": nn.GELU(), "sigmoid": nn.Sigmoid()}
    found: dict[str, Original] = {}
    for trial in range(trials):
        kind, channels = ("CNN", 1) if trial % 2 else ("CNN3", 3)
        name = list(activations)[trial % 4]
        home = folder / f"tune_zoo_mnist/NN_tune_trainable_{trial:05d}_seed={trial}"
        home.mkdir(parents=True)
        config = {"model::type": kind, "model::channels_in": channels, "model::nlin": name, "model::o_dim": 10}
        config |= {"model::dropout": 0, "model::use_bias": False, "optim::lr": 0.001, "seed": trial}
        (home / "params.json").write_text(json.dumps(config))
        lines = [
            {"training_iteration": epoch, "test_acc": epoch / 100, "train_acc": epoch / 90 if epoch else -999}
            for epoch in range(max(epochs) + 1)
        ]
        (home / "result.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
        for epoch in epochs:
            net = ModelZooNet(model_zoo_cnn(kind, channels, activations[name])).eval()
            place = home / (f"checkpoint_{epoch:06d}" if trial % 3 else f"checkpoint_{epoch}")
            place.mkdir()
            torch.save(net.state_dict(), place / "checkpoints")
            torch.save(torch.optim.Adam(net.parameters()).state_dict(), place / "optimizer")
            found[(place / "checkpoints").relative_to(folder).as_posix()] = net
    (folder / "tune_zoo_mnist/NN_tune_trainable_99999_failed").mkdir()
    (folder / "tune_zoo_mnist/NN_tune_trainable_99999_failed/params.json").write_text("{}")
    return found
