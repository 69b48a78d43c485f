"""The Small CNN Zoo of Unterthiner et al. (2020), "Predicting Neural Network Accuracy from Weights", as it is released.

`weights.npy` [N, P] float32, a row per checkpoint; `metrics.csv.gz`, a line per row; `layout.csv`, where each tensor
lies in a row: of every layer the bias first, then the kernel, [height, width, in, out] or [in, out]. Convolutions
of stride 2 without padding, global average pooling, one linear layer.
"""

from __future__ import annotations

import ast
import gzip
import io
import zlib
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ....runtime.errors import BadInput
from ...networks.architecture import Architecture
from ...networks.operations.elementwise import ActivationName
from ...storage.manifest import SourceInfo
from ..reading.archives import first_line
from ..reading.network_listing import ImportedNetwork, NetworkListing
from ..reading.network_reader import NetworkReader

# Their names: ours, with the meaning.
COLUMNS = {
    "step": ("epoch", "epochs trained; 0 is the initial state"),
    "config.dataset": ("source", "data set that the run was trained on"),
    "config.activation": ("activation", "activation function"),
    "config.optimizer": ("optimizer", "adam, sgd or rmsprop"),
    "config.learning_rate": ("lr", "learning rate"),
    "config.l2reg": ("weight_decay", "factor of the L2 penalty on the weights"),
    "config.dropout": ("dropout", "dropout rate"),
    "config.w_init": ("init", "initialisation of the weights"),
    "config.init_std": ("init_std", "standard deviation of the initialisation, where it has one"),
    "config.train_fraction": ("train_fraction", "share of the training items that the run saw"),
    "train_loss": ("train_loss", "loss on the training items"),
    "train_accuracy": ("train_accuracy", "accuracy on the training items, 0 to 1"),
    "test_loss": ("test_loss", "loss on the test items"),
    "test_accuracy": ("test_accuracy", "accuracy on the test items, 0 to 1"),
}
NUMERIC_COLUMNS = {name for name in COLUMNS if not name.startswith("config.")} | {
    f"config.{name}" for name in ("learning_rate", "l2reg", "dropout", "init_std", "train_fraction")
}
MAX_METRICS_BYTES = 2**30  # bytes of the unpacked table; the released ones have a tenth
IMAGE_SIZES = {"mnist": 28, "fashion_mnist": 28, "cifar10": 32, "svhn_cropped": 32}  # of images with one channel


class StoredTensor(NamedTuple):
    """Columns `start` to `stop` of a row, and their shape in Keras' order."""

    start: int
    stop: int
    shape: tuple[int, ...]


def find(folder: Path, reader: NetworkReader) -> NetworkListing:
    """Every checkpoint. Raises BadInput when the three files are not there or do not fit each other."""
    if reader.order or reader.architectures:
        given = "--order" if reader.order else "--arch"
        raise BadInput(f"{given}: the format small-cnn-zoo says that itself: leave it out")
    paths = [_only(folder, name) for name in ("weights.npy", "metrics.csv.gz", "layout.csv")]
    try:
        weights = np.load(paths[0], mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(f"{paths[0]}: cannot be read ({error}): download it again") from None
    if weights.ndim != 2 or weights.dtype.kind != "f":
        raise BadInput(f"{paths[0]}: is {weights.dtype} {list(weights.shape)}, expected floats [networks, parameters]")
    layout = _layout(paths[2], weights.shape[1])
    metrics = _metrics(paths[1], len(weights))
    runs = pd.factorize(metrics["modeldir"], sort=True)[0]
    table = pd.DataFrame({ours: metrics[theirs] for theirs, (ours, _) in COLUMNS.items() if theirs in metrics})
    table.insert(0, "run", runs)
    table.insert(0, "file", [str(row) for row in range(len(table))])
    table.insert(0, "id", [f"{run:05d}-{epoch:02d}" for run, epoch in zip(runs, table["epoch"], strict=True)])
    table["group"], table["split"] = table["run"].astype("str"), ""
    sources = sorted(set(table["source"])) if "source" in table else []
    pixels = {IMAGE_SIZES.get(source, 0) for source in sources} - {0}
    if len(pixels) != 1:
        reader.notes["the images' size is not known and was taken to be 28x28"] = None
    size = pixels.pop() if len(pixels) == 1 else 28
    archs = {
        name: _architecture(paths[2], layout, name, size)
        for name in (sorted(set(table["activation"])) if "activation" in table else [reader.activation or "relu"])
    }
    order = _state_dict_order(layout)
    if weights.dtype != np.float32:
        reader.notes[f"{weights.dtype} weights were cast to float32"] = None

    def read(rows: pd.DataFrame) -> list[ImportedNetwork]:
        block = np.asarray(weights[rows["file"].astype(int).to_numpy()], np.float32)
        params = np.concatenate([_transposed(block[:, t.start : t.stop], t.shape) for t in order], 1)
        activations = rows["activation"] if "activation" in rows else [next(iter(archs))] * len(rows)
        return [ImportedNetwork(None, archs[name], row) for name, row in zip(activations, params, strict=True)]

    columns = {"id": "run and epoch", "file": "row of weights.npy", "run": "number of the training run"}
    return NetworkListing(
        table=table,
        read=read,
        columns=columns | {ours: text for ours, text in COLUMNS.values() if ours in table},
        reader=reader,
        source=SourceInfo(
            name=", ".join(sources) or "images",
            sha256=None,
            license="CC-BY 4.0",
            citation="Small CNN Zoo, Unterthiner et al. (2020), arXiv:2002.11448",
            classes=[],
        ),
        split_rule="Splits hold different runs: all checkpoints of one are on one side",
        strata="activation" if "activation" in table else None,
    )


def _only(folder: Path, name: str) -> Path:
    found = sorted(folder.rglob(name))
    if len(found) != 1:
        raise BadInput(f"{folder}: holds {len(found)} files {name}, expected one; import one data set at a time")
    return found[0]


def _metrics(path: Path, rows: int) -> pd.DataFrame:
    """The known columns: numbers as float64, epochs as int64, the others text."""
    try:
        with gzip.open(path) as stream:
            content = stream.read(MAX_METRICS_BYTES + 1)
        if len(content) > MAX_METRICS_BYTES:
            raise BadInput(f"{path}: unpacks to more than {MAX_METRICS_BYTES:,} bytes: download it again")
        metrics = pd.read_csv(io.BytesIO(content), dtype="str", usecols=lambda name: name in (*COLUMNS, "modeldir"))
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: cannot be read ({error}): download it again") from None
    except ValueError as error:
        raise BadInput(f"{path}: is no CSV ({first_line(error)}): download it again") from None
    for name in metrics:
        if name in NUMERIC_COLUMNS:
            metrics[name] = pd.to_numeric(metrics[name], errors="coerce")
        elif name != "modeldir":
            metrics[name] = metrics[name].fillna("")
    for name in ("modeldir", "step"):
        if name not in metrics or metrics[name].isna().any():
            raise BadInput(f"{path}: column {name} is missing or has gaps; it says which checkpoints belong together")
    if not metrics["step"].between(0, 10**9).all():
        raise BadInput(f"{path}: column step holds {metrics['step'].abs().max()}, expected epochs: download it again")
    metrics["step"] = metrics["step"].astype("int64")
    if len(metrics) != rows:
        raise BadInput(f"{path}: has {len(metrics):,} lines for {rows:,} rows of weights.npy: download both again")
    return metrics


def _layout(path: Path, width: int) -> list[StoredTensor]:
    """The tensors in their order. Raises BadInput unless they fill a row and are pairs of bias and kernel."""
    try:
        table = pd.read_csv(path).sort_values("start_idx")
        tensors = [
            StoredTensor(int(start), int(stop), tuple(int(n) for n in ast.literal_eval(str(shape))))
            for start, stop, shape in zip(table["start_idx"], table["end_idx"], table["shape"], strict=True)
        ]
    except (OSError, KeyError, ValueError, SyntaxError, TypeError) as error:
        raise BadInput(f"{path}: cannot be read ({error}), expected varname, start_idx, end_idx, shape") from None
    ends = [0, *(tensor.stop for tensor in tensors)]
    starts = [*(tensor.start for tensor in tensors), width]
    if ends != starts or any(np.prod(t.shape, dtype=int) != t.stop - t.start for t in tensors):
        raise BadInput(f"{path}: its tensors do not fill the {width:,} columns of weights.npy one after the other")
    for bias, kernel in zip(tensors[::2], tensors[1::2], strict=False):
        if len(bias.shape) != 1 or len(kernel.shape) not in (2, 4) or bias.shape[0] != kernel.shape[-1]:
            raise BadInput(f"{path}: columns {bias.start} to {kernel.stop} are no bias and kernel of one layer")
    if len(tensors) % 2 or not tensors:
        raise BadInput(f"{path}: has {len(tensors)} tensors, expected a bias and a kernel for each layer")
    return tensors


def _architecture(path: Path, layout: list[StoredTensor], activation: str, size: int) -> Architecture:
    kernels = [tensor.shape for tensor in layout[1::2]]
    *convolutions, dense = kernels
    square = {shape[0] for shape in convolutions} | {shape[1] for shape in convolutions}
    follows = all(before[-1] == after[-2] for before, after in pairwise(kernels))
    if len(dense) != 2 or any(len(shape) != 4 for shape in convolutions) or len(square) != 1 or not follows:
        raise BadInput(f"{path}: kernels {kernels} are no square convolutions and one dense layer")
    names: dict[str, ActivationName] = {"relu": "relu", "tanh": "tanh"}
    if activation not in names:
        raise BadInput(f"{path.with_name('metrics.csv.gz')}: activation {activation!r}, expected relu or tanh")
    try:
        return Architecture.cnn(
            (convolutions[0][2], size, size),
            tuple(shape[3] for shape in convolutions),
            dense[1],
            kernel_size=square.pop(),
            activation=names[activation],
        )
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from None


def _state_dict_order(layout: list[StoredTensor]) -> list[StoredTensor]:
    """Kernel before bias."""
    return [tensor for bias, kernel in zip(layout[::2], layout[1::2], strict=True) for tensor in (kernel, bias)]


def _transposed(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Flat tensors `[n, size]` in Keras' order as they lie in a state dict."""
    axes = {1: (0, 1), 2: (0, 2, 1), 4: (0, 4, 3, 1, 2)}[len(shape)]
    return values.reshape(-1, *shape).transpose(axes).reshape(len(values), -1)
