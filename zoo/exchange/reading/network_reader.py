"""From a state dict to an architecture and flat parameters: layers are found by their tensors' shapes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from ....runtime.errors import BadInput
from ...networks.architecture import Architecture, Operation
from ...networks.operations.elementwise import Activation, ActivationName
from ...networks.operations.layers import Linear
from ...storage.manifest import FILE_NAME
from .state_dict_files import MAX_PARAMS, StateDict

AxisOrder = Literal["out-in", "in-out"]
NUMBERED = "part"  # before the name of an operation that a module calls by a number
MAX_KEY = 100  # characters of a name that is made of an architecture


class LayerTensors(NamedTuple):
    """A weight `[out, in, *kernel]` and its bias `[out]`; as [in, out] or [*kernel, in, out] under "in-out"."""

    name: str
    weight: Tensor
    bias: Tensor | None


@dataclass
class NetworkReader:
    """How a folder's tensors are read; `notes` says what had to be assumed.

    Arguments:
        activation: between the layers of MLPs; ReLU where None.
        output_activation: after their last layer; nothing where None.
        omega_0, output_offset: of INRs.
        order: of a weight's axes; "out-in" where None.
        architectures: by key; where there is none, networks are MLPs.
        files: those of the folder that were named; all where none was.
    """

    activation: ActivationName | None = None
    output_activation: ActivationName | None = None
    omega_0: float = 1.0
    output_offset: float = 0.0
    order: AxisOrder | None = None
    architectures: Mapping[str, Architecture] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    notes: dict[str, None] = field(default_factory=dict)
    _known: dict[tuple[tuple[int, ...], ...], Architecture] = field(default_factory=dict)

    def read(self, path: Path, state: StateDict, key: str | None = None) -> tuple[str | None, Architecture, np.ndarray]:
        """Key (None for one that was found), architecture and float32 `params [P]` of a network.

        Arguments:
            key: of its architecture, where there are several.

        Raises BadInput that names the tensor that does not fit.
        """
        for value in state.values():
            if str(value.dtype) != "torch.float32":
                self.notes[f"{str(value.dtype).removeprefix('torch.')} weights were cast to float32"] = None
        if (named := self._named(state, key)) is not None:
            return named
        found = layers(path, state)
        if self.architectures:
            key, arch = self._chosen(path, found, key)
        else:
            arch = self._mlp(path, found)
        pieces = []
        for layer in found:
            weight = _out_in(layer.weight) if self.order == "in-out" else layer.weight
            pieces += [weight.detach().float().numpy().ravel()]
            pieces += [] if layer.bias is None else [layer.bias.detach().float().numpy()]
        return key, arch, np.concatenate(pieces)

    def _named(self, state: StateDict, key: str | None) -> tuple[str, Architecture, np.ndarray] | None:
        """The network whose tensors have the names and shapes of one architecture alone; None where there is none."""
        fitting = []
        for name, arch in self.architectures.items():
            parted = _parted(arch, state)
            shapes = {tensor: tuple(value.shape) for tensor, value in parted.items()}
            if key in (None, name) and shapes == _shapes(arch, parted):
                fitting.append((name, arch, parted))
        if len(fitting) != 1 or self.order == "in-out":
            return None
        ((name, arch, parted),) = fitting
        pieces = [parted[tensor].detach().float().numpy().ravel() for tensor in _shapes(arch, parted)]
        return name, arch, np.concatenate(pieces)

    def _mlp(self, path: Path, found: list[LayerTensors]) -> Architecture:
        shapes = tuple(tuple(t.shape) for layer in found for t in (layer.weight, layer.bias) if t is not None)
        if shapes not in self._known:
            self._known[shapes] = self._infer(path, found)
        return self._known[shapes]

    def _infer(self, path: Path, found: list[LayerTensors]) -> Architecture:
        if any(layer.weight.ndim != 2 for layer in found):
            name = next(layer.name for layer in found if layer.weight.ndim != 2)
            raise BadInput(
                f"{path}: {name} is a convolution, whose stride and pooling no file says: describe the network with "
                "--arch JSON"
            )
        order = self.order or "out-in"
        other: AxisOrder = "in-out" if order == "out-in" else "out-in"
        if not _chains(found, order):
            remedy = (
                f"they do as [{other.replace('-', ', ')}]: add --order {other}"
                if _chains(found, other)
                else "give the architecture with --arch JSON if layers have another order"
            )
            listed = ", ".join(f"{layer.name} {list(layer.weight.shape)}" for layer in found)
            raise BadInput(
                f"{path}: shapes do not follow one another as [{order.replace('-', ', ')}]: {listed}; {remedy}"
            )
        if self.order is None and _chains(found, other):
            self.notes["weights fit both ways round and were taken as [out, in] (--order in-out for the other)"] = None
        if self.activation is None and len(found) > 1:
            self.notes["the activation is not said anywhere and was taken to be ReLU (--activation for another)"] = None
        operations: list[Operation] = []
        for layer in found:
            n_out, n_in = layer.weight.shape if order == "out-in" else layer.weight.T.shape
            operations.append(Linear(in_features=n_in, out_features=n_out, bias=layer.bias is not None))
            operations.append(Activation(name=self.activation or "relu", omega_0=self.omega_0))
        first = operations[0]
        assert isinstance(first, Linear)
        last = [Activation(name=self.output_activation)] if self.output_activation else []
        return Architecture(
            input_shape=(first.in_features,),
            operations=(*operations[:-1], *last),
            output_offset=self.output_offset,
        )

    def _chosen(self, path: Path, found: list[LayerTensors], key: str | None) -> tuple[str, Architecture]:
        """The architecture of a network: the one that is named, else the only one with its shapes."""
        if key is not None and key not in self.architectures:
            raise BadInput(f"{path}: its architecture is {key!r}, but --arch describes {', '.join(self.architectures)}")
        candidates = self.architectures if key is None else {key: self.architectures[key]}
        fitting = {name: arch for name, arch in candidates.items() if self._misfit(found, arch) is None}
        if len(fitting) > 1:
            raise BadInput(
                f"{path}: fits the architectures {', '.join(fitting)}: name one for each file in a column "
                "`architecture` of the --labels CSV"
            )
        if not fitting:
            name, arch = next(iter(candidates.items()))
            raise BadInput(
                f"{path}: is not of architecture {name or arch}: {self._misfit(found, arch)}; correct --arch or --order"
            )
        return next(iter(fitting.items()))

    def _misfit(self, found: list[LayerTensors], arch: Architecture) -> str | None:
        given = []
        for layer in found:
            given.append((layer.name, tuple((_out_in(layer.weight) if self.order == "in-out" else layer.weight).shape)))
            if layer.bias is not None:
                given.append((f"the bias of {layer.name}", tuple(layer.bias.shape)))
        if len(given) != len(arch.tensors):
            return f"it has {len(given)} tensors, expected {len(arch.tensors)}"
        for (name, shape), tensor in zip(given, arch.tensors, strict=True):
            if shape != tensor.shape:
                return f"{name} is {list(shape)}, expected {list(tensor.shape)}"
        return None


def layers(path: Path, state: StateDict) -> list[LayerTensors]:
    """Weights (2 or 4 axes) with their biases (1 axis), matched by name or else by order.

    Raises BadInput for a tensor that belongs to no layer.
    """
    weights = {name: value for name, value in state.items() if value.ndim in (2, 4)}
    biases = {name: value for name, value in state.items() if value.ndim == 1}
    for name, value in state.items():
        if value.ndim not in (1, 2, 4):
            raise BadInput(f"{path}: {name} is {list(value.shape)}: linear weights have 2 axes, kernels 4 and biases 1")
    if not weights:
        raise BadInput(f"{path}: holds no weights, only {', '.join(state)}")
    modules = {name.rpartition(".")[0]: name for name in weights}
    owners = {name: modules.get(name.rpartition(".")[0]) for name in biases}
    if len(modules) < len(weights) or not any(owners.values()):  # such as "w1, b1" or "weights.0, biases.0"
        owners = dict(zip(biases, weights, strict=False)) if len(biases) == len(weights) else {}
    strays = [name for name in biases if owners.get(name) is None]
    if strays or len(set(owners.values())) < len(biases):
        raise BadInput(
            f"{path}: {(strays or list(biases))[0]} belongs to no linear or convolution weight; describe networks with "
            "other layers by --arch JSON, which names their tensors"
        )
    bias_of = {owner: biases[name] for name, owner in owners.items() if owner is not None}
    return [LayerTensors(name, weight, bias_of.get(name)) for name, weight in weights.items()]


def read_architectures(path: Path) -> dict[str, Architecture]:
    """One architecture, or several by key, from a JSON file. Raises BadInput that names the field."""
    try:
        content = json.loads(path.read_text())
        single = isinstance(content, dict) and "operations" in content
        found = TypeAdapter(dict[str, Architecture]).validate_python({"": content} if single else content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "") or "the file"
        raise BadInput(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read ({error}); --arch takes a JSON file") from None
    for key, arch in found.items():
        if key and not re.fullmatch(FILE_NAME, key):
            raise BadInput(f"{path}: {key!r}: a key has letters, digits, dots, dashes and underscores")
        if arch.num_params > MAX_PARAMS:
            raise BadInput(f"{path}: {arch.num_params:,} parameters, more than {MAX_PARAMS:,}")
    if not found:
        raise BadInput(f"{path}: describes no architecture")
    return {key or key_of(arch): arch for key, arch in found.items()}


def key_of(arch: Architecture) -> str:
    """A name for an architecture that a file name can hold: "mlp-2-32-32-1-relu"."""
    return re.sub("[ ,]+", "-", re.sub(r"(?<=\d),(?=\d)", "", str(arch)))[:MAX_KEY].rstrip("-")


def _shapes(arch: Architecture, state: StateDict) -> dict[str, tuple[int, ...]]:
    """By the names that a state dict has for them."""
    return {t.name if t.name in state else _module_name(t.name): t.shape for t in arch.tensors}


def _module_name(tensor: str) -> str:
    """As a module calls it, whose name may begin with a digit."""
    return re.sub(rf"^{NUMBERED}(?=\d)", "", tensor)


def _parted(arch: Architecture, state: StateDict) -> StateDict:
    """A tensor that an architecture holds in parts, "attention.0.weight" and so on, as these: queries, keys, values."""
    parts: dict[str, dict[int, tuple[str, int]]] = {}
    for name, shape in _shapes(arch, state).items():
        owner, _, number = name.rpartition(".")[0].rpartition(".")
        role = name.rpartition(".")[2]
        whole = next((found for found in (f"{owner}.{role}", f"{owner}_{role}") if found in state), None)
        if whole and number.isdigit() and name not in state:
            parts.setdefault(whole, {})[int(number)] = (name, shape[0])
    found = dict(state)
    for whole, named in parts.items():
        names, sizes = zip(*(named[number] for number in sorted(named)), strict=True)
        if sum(sizes) == len(state[whole]):
            found |= dict(zip(names, found.pop(whole).split(sizes), strict=True))
    return found


def _out_in(weight: Tensor) -> Tensor:
    """[in, out] as [out, in]; [height, width, in, out] as [out, in, height, width]."""
    return weight.T if weight.ndim == 2 else weight.permute(3, 2, 0, 1)


def _chains(found: list[LayerTensors], order: AxisOrder) -> bool:
    sizes = [tuple(layer.weight.shape if order == "out-in" else layer.weight.T.shape) for layer in found]
    follow = all(before[0] == after[1] for before, after in pairwise(sizes))
    return follow and all(
        layer.bias is None or len(layer.bias) == size[0] for layer, size in zip(found, sizes, strict=True)
    )
