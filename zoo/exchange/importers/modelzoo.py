"""The model zoos of Schürholt et al. (2022), "Model Zoos: A Dataset of Diverse Populations of Neural Network Models".

Folders of ray tune: in each trial's folder `params.json` (its configuration), `result.json` (a line per epoch) and
`checkpoint_{epoch}/checkpoints`, a state dict. Their architectures CNN, CNN2, CNN3 and MLP are known here; for others
give --arch.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from ....runtime.errors import BadInput
from ....runtime.progress import track
from ...networks.architecture import Architecture, Operation
from ...networks.operations.elementwise import Activation, ActivationName
from ...networks.operations.joining import Flatten
from ...networks.operations.layers import Conv2d, Linear
from ...networks.operations.pooling import Pool2d
from ...storage.manifest import SourceInfo
from ..reading.archives import first_line, natural_order
from ..reading.network_listing import ImportedNetwork, NetworkListing
from ..reading.network_reader import NetworkReader
from ..reading.state_dict_files import read_state_dict

# Their names: ours, with type and meaning.
CONFIG: dict[str, tuple[str, type, str]] = {
    "model::type": ("variant", str, "architecture, by its name in the release"),
    "model::nlin": ("activation", str, "activation function"),
    "model::dropout": ("dropout", float, "dropout rate"),
    "model::init_type": ("init", str, "initialisation of the weights"),
    "optim::optimizer": ("optimizer", str, "adam, sgd or rms_prop"),
    "optim::lr": ("lr", float, "learning rate"),
    "optim::wd": ("weight_decay", float, "weight decay"),
    "seed": ("seed", int, "of the run; -1 where it is not known"),
}
METRICS = {
    "train_loss": ("train_loss", "running loss over the epoch"),
    "train_acc": ("train_accuracy", "running accuracy over the epoch, 0 to 1"),
    "test_loss": ("test_loss", "loss on the test items"),
    "test_acc": ("test_accuracy", "accuracy on the test items, 0 to 1"),
}
NOT_MEASURED = -999  # stands in the place of a metric
ACTIVATIONS: dict[str, ActivationName] = {"leakyrelu": "leaky-relu", "leaky_relu": "leaky-relu"}
# Channels, kernel size of every convolution, whether 2x2 maximum pooling follows; image size; width before the output.
CNNS: dict[str, tuple[tuple[tuple[int, int, bool], ...], int, int]] = {
    "CNN": (((8, 5, True), (6, 5, True), (4, 2, False)), 28, 20),
    "CNN2": (((6, 5, True), (9, 5, True), (6, 2, False)), 28, 20),
    "CNN3": (((16, 3, True), (32, 3, True), (15, 3, True)), 32, 20),
}


def find(folder: Path, reader: NetworkReader) -> NetworkListing:
    """Every checkpoint of every trial. Raises BadInput when there is none, and for a trial that cannot be read."""
    trials = sorted(
        (path.parent for path in folder.rglob("params.json")), key=lambda path: natural_order(path.as_posix())
    )
    rows: list[dict[str, Any]] = []
    readers: list[NetworkReader] = []  # of each run
    known: dict[str, NetworkReader] = {}
    said: set[str] = set()
    empty = 0
    with track("list trials", len(trials), "trials") as advance:
        for trial in trials:
            epochs = _checkpoints(trial)
            empty += not epochs
            if epochs:
                run, config, results = len(readers), _json(trial / "params.json"), _results(trial / "result.json")
                readers.append(_reader(trial / "params.json", config, reader, known))
                settings = {ours: _setting(config.get(theirs), kind) for theirs, (ours, kind, _) in CONFIG.items()}
                said |= {ours for theirs, (ours, _, _) in CONFIG.items() if theirs in config}
                for epoch, path in epochs.items():
                    metrics = {ours: _metric(results.get(epoch, {}), theirs) for theirs, (ours, _) in METRICS.items()}
                    place = {"file": path.relative_to(folder).as_posix(), "run": run, "epoch": epoch}
                    rows.append({"id": f"{run:05d}-{epoch:03d}"} | place | settings | metrics)
            advance()
    if not rows:
        raise BadInput(
            f"{folder}: holds no folder with params.json and checkpoint_*/checkpoints, as ray tune writes them"
        )
    table = pd.DataFrame(rows).drop(columns=[ours for ours, _, _ in CONFIG.values() if ours not in said])
    table["group"], table["split"] = table["run"].astype("str"), ""

    def read(rows: pd.DataFrame) -> list[ImportedNetwork]:
        networks = []
        for file, run in zip(rows["file"], rows["run"], strict=True):
            key, arch, params = readers[run].read(folder / file, read_state_dict(folder / file)[0])
            networks.append(ImportedNetwork(key or None, arch, params))
        return networks

    columns = {
        "id": "run and epoch",
        "file": "path in the release",
        "run": "number of the training run",
        "epoch": "epochs trained; 0 is the initial state",
    }
    listing = NetworkListing(
        table=table,
        read=read,
        columns=columns | {ours: text for ours, _, text in CONFIG.values() if ours in table} | dict(METRICS.values()),
        reader=reader,
        source=SourceInfo(
            name="images",
            sha256=None,
            license="CC-BY 4.0",
            citation="Model Zoos, Schürholt et al. (2022), arXiv:2209.14764",
            classes=[],
        ),
        split_rule="Splits hold different runs: all checkpoints of one are on one side",
        strata="activation" if "activation" in table else None,
    )
    if empty:
        listing.notes.append(f"{empty:,} trials without checkpoints were left out")
    return listing


def _checkpoints(trial: Path) -> dict[int, Path]:
    """State dicts by epoch."""
    found = {}
    for path in sorted(trial.glob("checkpoint_*/checkpoints")):
        if match := re.fullmatch(r"checkpoint_(\d{1,9})", path.parent.name):
            if int(match[1]) in found:
                raise BadInput(f"{path}: epoch {int(match[1])} is there twice: leave one of the two folders")
            found[int(match[1])] = path
    return dict(sorted(found.items()))


def _json(path: Path) -> dict[str, Any]:
    try:
        return TypeAdapter(dict[str, Any]).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BadInput(f"{path}: cannot be read ({first_line(error)}), expected JSON: unpack it again") from None


def _results(path: Path) -> dict[int, dict[str, Any]]:
    """The lines of result.json by epoch; none where the file is missing."""
    found = {}
    try:
        lines = path.read_text().splitlines() if path.exists() else []
        for line in lines:
            content = json.loads(line)
            found[int(content["training_iteration"])] = content
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise BadInput(
            f"{path}: cannot be read ({error!r}), expected a JSON object per line: unpack it again"
        ) from None
    return found


def _setting(value: Any, kind: type) -> str | float:
    """A value of `params.json` in its column's type, whatever is found there."""
    if kind is str:
        return "" if value is None else str(value)
    if kind is int:
        return value if isinstance(value, int) and abs(value) < 2**62 else -1
    return float(value) if isinstance(value, int | float) else float("nan")


def _metric(result: dict[str, Any], name: str) -> float:
    value = result.get(name, NOT_MEASURED)
    return float(value) if isinstance(value, int | float) and value != NOT_MEASURED else float("nan")


def _reader(
    path: Path, config: dict[str, Any], reader: NetworkReader, known: dict[str, NetworkReader]
) -> NetworkReader:
    """How a trial's tensors are read, from its configuration; `known` keeps one for equal architectures."""
    if reader.architectures:
        return reader
    kind, channels, outputs = (config.get(name) for name in ("model::type", "model::channels_in", "model::o_dim"))
    name = config.get("model::nlin") or reader.activation
    if name is None:
        name = "relu"
        reader.notes["the activation is not said anywhere and was taken to be ReLU (--activation for another)"] = None
    described = f"{kind} {name} {channels} {outputs}"
    if described not in known:
        try:
            activation = Activation(name=ACTIVATIONS.get(name, name))
            if kind == "MLP":
                known[described] = NetworkReader(activation=activation.name, notes=reader.notes)
            elif kind in CNNS:
                arch = _cnn(kind, int(channels or 0), int(outputs or 10), activation)
                known[described] = NetworkReader(architectures={"": arch}, notes=reader.notes)
            else:
                raise ValueError(f"model::type is {kind!r}, known are {', '.join(CNNS)} and MLP")
        except (ValueError, TypeError) as error:
            raise BadInput(f"{path}: {_summary(error)}: describe the networks with --arch JSON") from None
    return known[described]


def _cnn(kind: str, channels: int, outputs: int, activation: Activation) -> Architecture:
    convolutions, size, width = CNNS[kind]
    operations: list[Operation] = []
    shape: tuple[int, ...] = (channels, size, size)
    for out, kernel, pooled in convolutions:
        convolution = Conv2d(in_channels=shape[0], out_channels=out, kernel_size=(kernel, kernel), padding=0)
        steps: list[Conv2d | Pool2d | Activation] = [convolution, *([Pool2d()] if pooled else []), activation]
        for step in steps:
            shape = step.output_shape(shape)
        operations += steps
    flat = Flatten().output_shape(shape)[0]
    operations += [Flatten(), Linear(in_features=flat, out_features=width), activation]
    operations.append(Linear(in_features=width, out_features=outputs))
    return Architecture(input_shape=(channels, size, size), operations=tuple(operations))


def _summary(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)
