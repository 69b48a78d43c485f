"""Refusals of networks that a method cannot read: of another architecture, or with non-finite parameters."""

from __future__ import annotations

import torch

from ...runtime.errors import BadInput
from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks


def require_architecture(networks: Networks, arch: Architecture, method: str = "the method") -> Networks:
    """`networks`, if they are of the architecture that a method was built for. Raises BadInput."""
    if networks.arch != arch:
        raise BadInput(f"{method} was built for {arch}, is given {networks.arch}: fit it to those")
    return networks


def require_finite(networks: Networks, method: str) -> Networks:
    """`networks`, if all parameters are finite: scikit-learn's trees would take NaN for "missing". Raises BadInput."""
    wrong = (~torch.isfinite(networks.params)).any(1).nonzero().flatten().tolist()
    if wrong:
        raise BadInput(
            f"{method} is given {len(wrong)} of {len(networks)} networks with non-finite parameters, "
            f"the first is number {wrong[0]}: leave them out"
        )
    return networks
