"""Augmentations of weight space: random changes of networks whose effect on the function is known (or small).

Each takes networks and a CPU generator and returns new networks; every network draws for itself. What is preserved:

    permutation, sign, scale, phase         the function, exactly, where the architecture has the symmetry
    translation, rotation, zoom             the function of moved inputs, exactly: f(x) becomes f(A x + t)
    noise, dropout, quantile                nothing exactly; the function changes a little

Sources: Navon et al. (2023) for the INR ones, Shamsian et al. (2024) for sign, phase and quantile. The former's code
folds the shift of inputs into a random layer and adds one constant instead of noise; these do what they say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from ...runtime.errors import BadInput, unknown
from ...zoo.networks import symmetry
from ...zoo.networks.networks import Networks
from ...zoo.networks.operations.elementwise import Activation
from ...zoo.networks.operations.joining import Add
from ...zoo.networks.operations.layers import Conv2d, Linear

Augmentation = Callable[[Networks, torch.Generator], Networks]


def permutation(networks: Networks, generator: torch.Generator) -> Networks:
    """Another order of the hidden neurons. Preserves every network's function."""
    return _moved(networks, "permutation", generator)


def sign(networks: Networks, generator: torch.Generator) -> Networks:
    """Hidden neurons under sine and tanh change sign, each with probability 1/2. Preserves every network's function."""
    return _moved(networks, "sign", generator)


def scale(networks: Networks, generator: torch.Generator) -> Networks:
    """Hidden neurons under ReLU are scaled by up to 4 either way. Preserves every network's function."""
    return _moved(networks, "scale", generator)


def phase(networks: Networks, generator: torch.Generator, maximum: int = 4) -> Networks:
    """Sine neurons shifted by up to `maximum` half periods, their outgoing weights flipped after an odd number.

    Preserves every network's function: sin(omega_0 (w x + b + k pi / omega_0)) = (-1)^k sin(omega_0 (w x + b)).
    """
    arch = networks.arch
    if arch.beyond_chain is not None:
        return networks
    behind: dict[int, float] = {}  # omega_0 of the sine right behind a layer
    layer, previous = -1, None
    for operation in arch.operations:
        if isinstance(operation, Linear | Conv2d):
            layer += 1
        elif isinstance(operation, Add):
            return networks  # a sum could hold a neuron before its sine
        elif isinstance(operation, Activation) and operation.name == "sine" and isinstance(previous, Linear | Conv2d):
            behind[layer] = operation.omega_0
        previous = operation
    groups, batch = symmetry.neuron_groups(arch, "sign"), len(networks)
    shifts = [torch.randint(-maximum, maximum + 1, (batch, group.size), generator=generator) for group in groups]
    for group, shift in zip(groups, shifts, strict=True):
        if group.producers[0] not in behind or networks.biases[group.producers[0]] is None:
            shift.zero_()
    signs = [1.0 - 2 * (shift % 2) for shift in shifts]
    moved = networks.rescaled(signs, "sign")
    for group, shift, flip in zip(groups, shifts, signs, strict=True):
        (layer,) = group.producers
        weight, bias = moved.weights[layer], moved.biases[layer]
        weight.mul_(flip.to(weight).view(*flip.shape, *[1] * (weight.ndim - 2)))
        if bias is not None:
            bias.mul_(flip.to(bias)).add_(math.pi / behind.get(layer, 1.0) * shift.to(bias))
    return moved


def translation(networks: Networks, generator: torch.Generator, maximum: float = 0.25) -> Networks:
    """The inputs of INRs shifted by t in [-maximum, maximum] per coordinate: f(x) becomes f(x + t), exactly."""
    shift = _uniform(networks, generator, networks.arch.input_shape[0], maximum)
    return _inputs_moved(networks, None, shift)


def rotation(networks: Networks, generator: torch.Generator, maximum: float = 45.0) -> Networks:
    """The inputs of INRs of images rotated by up to `maximum` degrees: f(x) becomes f(R x), exactly."""
    if networks.arch.input_shape != (2,):
        raise BadInput(f"augmentation rotation takes networks with two inputs, not {networks.arch}")
    angle = _uniform(networks, generator, 1, math.radians(maximum))[:, 0]
    rows = [torch.stack([angle.cos(), -angle.sin()], 1), torch.stack([angle.sin(), angle.cos()], 1)]
    return _inputs_moved(networks, torch.stack(rows, 1), None)


def zoom(networks: Networks, generator: torch.Generator, maximum: float = 0.2) -> Networks:
    """The inputs of INRs scaled by s in [1 - maximum, 1 + maximum]: f(x) becomes f(s x), exactly."""
    factor = 1 + _uniform(networks, generator, 1, maximum)[:, :, None]
    return _inputs_moved(networks, factor * torch.eye(networks.arch.input_shape[0]).to(factor), None)


def noise(networks: Networks, generator: torch.Generator, share: float = 0.1) -> Networks:
    """Gaussian noise of `share` times the deviation of each weight and bias tensor over the batch."""
    draws = torch.randn(networks.params.shape, generator=generator).to(networks.params)
    spread = torch.empty_like(networks.params[0])
    for tensor in networks.arch.tensors:
        deviation = networks.params[:, tensor.start : tensor.stop].std(correction=0)
        spread[tensor.start : tensor.stop] = deviation if tensor.spec.trained else 0.0
    return Networks(networks.arch, networks.params + share * spread * draws)


def dropout(networks: Networks, generator: torch.Generator, p: float = 0.01) -> Networks:
    """Parameters set to zero with probability p, the others divided by 1 - p: the mean stays."""
    kept = torch.rand(networks.params.shape, generator=generator).to(networks.params.device) >= p
    thinned = networks.params * kept / (1 - p)
    for tensor in networks.arch.tensors:
        if not tensor.spec.trained:
            thinned[:, tensor.start : tensor.stop] = networks.params[:, tensor.start : tensor.stop]
    return Networks(networks.arch, thinned)


def quantile(networks: Networks, generator: torch.Generator, maximum: float = 0.1) -> Networks:
    """The smallest parameters of every tensor set to zero, a share drawn from [0, maximum] per network and tensor."""
    params = networks.params.clone()
    for tensor in (tensor for tensor in networks.arch.tensors if tensor.spec.trained):
        values = params[:, tensor.start : tensor.stop]
        rank = values.abs().argsort(1).argsort(1)
        share = maximum * torch.rand(len(values), 1, generator=generator).to(values.device)
        values.masked_fill_(rank + 1 <= share * values.shape[1], 0.0)
    return Networks(networks.arch, params)


AUGMENTATIONS: dict[str, Callable[..., Networks]] = {
    function.__name__: function
    for function in (permutation, sign, scale, phase, translation, rotation, zoom, noise, dropout, quantile)
}


SHARES = {"dropout", "quantile"}  # whose numbers are below 1
FUNCTION_KEPT = {"permutation", "sign", "scale", "phase"}
NAVON = ("translation", "rotation", "noise", "dropout", "zoom")  # the published recipe for MNIST INRs


def compose(names: Sequence[str], *, keep_function: bool = False) -> Augmentation:
    """The augmentations of a list, one after the other; "noise=0.3" sets the one number that a name has.

    Arguments:
        keep_function: leave out those that change what a network computes.

    Raises BadInput for unknown names, for numbers where there are none, and for those out of range.
    """
    steps: list[Augmentation] = []
    for text in names:
        name, equals, value = text.partition("=")
        if name not in AUGMENTATIONS:
            raise unknown("augmentation", name, AUGMENTATIONS)
        function = AUGMENTATIONS[name]
        if equals:
            if not (defaults := function.__defaults__):
                raise BadInput(f"augmentation {name} takes no number: write {name} instead of {text}")
            try:
                number = type(defaults[0])(value)
            except ValueError:
                raise BadInput(f"augmentation {text}: write {name}=NUMBER, for instance {name}={defaults[0]}") from None
            if not 0 <= number < (1 if name in SHARES else math.inf):
                raise BadInput(
                    f"augmentation {text}: expected a number from 0{' to below 1' if name in SHARES else ''}"
                )
            function = partial(function, **{function.__code__.co_varnames[2]: number})
        if name in FUNCTION_KEPT or not keep_function:
            steps.append(function)

    def apply(networks: Networks, generator: torch.Generator) -> Networks:
        for step in steps:
            networks = step(networks, generator)
        return networks

    return apply


def _moved(networks: Networks, kind: symmetry.Kind, generator: torch.Generator) -> Networks:
    return networks.transformed(kind, symmetry.sample(networks.arch, kind, len(networks), generator))


def _uniform(networks: Networks, generator: torch.Generator, size: int, maximum: float) -> Tensor:
    """`[B, size]` in [-maximum, maximum]."""
    return maximum * (2 * torch.rand(len(networks), size, generator=generator) - 1).to(networks.params)


def _inputs_moved(networks: Networks, matrix: Tensor | None, shift: Tensor | None) -> Networks:
    """Networks that compute f(matrix x + shift), through the first layer's weights and biases."""
    first = networks.arch.layers[0]
    chain = networks.arch.beyond_chain is None
    if not isinstance(first, Linear) or len(networks.arch.input_shape) != 1 or not chain:
        raise BadInput(f"augmentations of coordinates take INRs, not {networks.arch}")
    moved = Networks(networks.arch, networks.params.clone())
    weight, bias = moved.weights[0], moved.biases[0]
    if shift is not None:
        if bias is None:
            raise BadInput(f"augmentation translation needs a bias in the first layer of {networks.arch}")
        bias.add_((weight @ shift.unsqueeze(2)).squeeze(2))
    if matrix is not None:
        weight.copy_(weight @ matrix)
    return moved
