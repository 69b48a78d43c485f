"""The symmetry audit: how far outputs move when neurons are permuted, or their signs and scales changed."""

from __future__ import annotations

from typing import Any

import torch

from ...zoo.networks import symmetry
from ...zoo.storage.zoo import Split
from .protocols import Representation, Supervised

AUDITED_NETWORKS = 256  # the first of each architecture, in equal shares


def audit(protocol: Supervised | Representation, split: Split, *, seed: int) -> dict[str, Any]:
    """For each kind of symmetry the largest |change of output| over the outputs' standard deviation, None where no
    architecture has such a symmetry; and under "score_change" the change of the headline metric.

    Under the representation protocol it is the embeddings that move.
    """
    task = protocol.task
    share = max(1, AUDITED_NETWORKS // len(split.groups))
    groups = [networks[:share] for networks in split.groups]
    starts = torch.tensor([0, *(len(networks) for networks in split.groups[:-1])]).cumsum(0).tolist()
    rows = torch.cat([start + torch.arange(len(group)) for start, group in zip(starts, groups, strict=True)])
    table, targets = split.table.iloc[rows.numpy()], task.targets(split)[rows]

    generator = torch.Generator().manual_seed(seed)
    plain = [protocol.output(group) for group in groups]
    quality = task.quality(protocol.judged(plain, table), targets)
    spread = torch.cat(protocol.seen(plain)).std().clamp(min=1e-12)
    report: dict[str, Any] = {}
    changes: dict[str, float | None] = {}
    for kind in symmetry.KINDS:
        elements = [symmetry.sample(group.arch, kind, len(group), generator) for group in groups]
        if not any(elements):
            report[kind] = changes[kind] = None
            continue
        moved = [
            protocol.output(group.transformed(kind, element)) if element else output
            for group, element, output in zip(groups, elements, plain, strict=True)
        ]
        largest = max(
            (a - b).abs().max().item() for a, b in zip(protocol.seen(moved), protocol.seen(plain), strict=True)
        )
        report[kind] = float(f"{largest / spread.item():.3g}")
        changes[kind] = round(task.quality(protocol.judged(moved, table), targets) - quality, 4)
    return report | {"score_change": changes}
