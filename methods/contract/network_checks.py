"""Networks that a method can read: of the architecture that it was built for, with finite parameters, on its inputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...runtime.errors import BadInput
from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks


def require_architecture(networks: Networks, arch: Architecture, method: str = "the method") -> Networks:
    """`networks`, if they are laid out as the architecture that a method was built for. Raises BadInput."""
    if networks.arch.layout != arch.layout:
        raise BadInput(f"{method} was built for {arch}, is given {networks.arch}: fit it to those")
    return networks


def of_one_layout(groups: Sequence[Networks]) -> Networks:
    """All networks as of the first architecture: for readers of weights, which do not see that activations differ."""
    if len(groups) == 1:
        return groups[0]
    return Networks(groups[0].arch, torch.cat([require_architecture(n, groups[0].arch).params for n in groups]))


def require_finite(networks: Networks, method: str) -> Networks:
    """`networks`, if all parameters are finite: scikit-learn's trees would take NaN for "missing". Raises BadInput."""
    wrong = (~torch.isfinite(networks.params)).any(1).nonzero().flatten().tolist()
    if wrong:
        raise BadInput(
            f"{method} is given {len(wrong)} of {len(networks)} networks with non-finite parameters, "
            f"the first is number {wrong[0]}: leave them out"
        )
    return networks


def require_probeable(architectures: Sequence[Architecture], name: str, *, equal_outputs: bool = False) -> None:
    """Refuse networks that cannot be run on the same learned inputs. Raises BadInput.

    Arguments:
        equal_outputs: all outputs are read alike, so that their shapes have to be equal too.
    """
    ends = {(arch.input_shape, arch.output_shape) for arch in architectures}
    if equal_outputs and len(ends) > 1:
        raise BadInput(f"{name} takes networks of equal inputs and outputs, this zoo has {sorted(ends)}")
    shapes = sorted({arch.input_shape for arch in architectures})
    if len(shapes) > 1:
        raise BadInput(f"{name} runs all networks on the same inputs, this zoo's take {shapes}")
    require_wordless(architectures, name)


def require_wordless(architectures: Sequence[Architecture], name: str) -> None:
    """Refuse networks that read words: those are numbers, which can be neither learned nor drawn. Raises BadInput."""
    if words := next((arch for arch in architectures if any(op.op == "embedding" for op in arch.operations)), None):
        raise BadInput(f"{name} runs networks on inputs of its own, which cannot be numbers of words, as {words} takes")
