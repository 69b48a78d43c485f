"""The symmetry audit: how far outputs move when neurons are permuted, or their signs and scales changed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..methods.base import Method
from ..zoo import symmetry
from ..zoo.networks import Networks
from .task import Task

AUDITED = 256  # networks, the first of the test split


def audit(method: Method, task: Task, networks: Networks, targets: Tensor, *, seed: int) -> dict[str, Any]:
    """For each kind of symmetry the largest |change of output| over the outputs' standard deviation, None where the
    architecture has no such symmetry; and under "score_change" the change of the headline metric.
    """
    networks, targets = networks[:AUDITED], targets[:AUDITED]
    generator = torch.Generator().manual_seed(seed)
    plain = method.predict(networks)
    outputs, quality = task.observe(plain), task.quality(plain, targets)
    spread = outputs.std().clamp(min=1e-12)
    report: dict[str, Any] = {}
    changes: dict[str, float | None] = {}
    for kind in symmetry.KINDS:
        elements = symmetry.sample(networks.arch, kind, len(networks), generator)
        if not elements:
            report[kind] = changes[kind] = None
            continue
        moved = method.predict(symmetry.apply(networks, kind, elements))
        report[kind] = float(f"{((task.observe(moved) - outputs).abs().max() / spread).item():.3g}")
        changes[kind] = round(task.quality(moved, targets) - quality, 4)
    return report | {"score_change": changes}
