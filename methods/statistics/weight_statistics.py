"""Weight statistics: seven numbers per weight and bias tensor (Unterthiner et al. 2020, arXiv:2002.11448)."""

from __future__ import annotations

import torch
from torch import Tensor

from ...zoo.networks.networks import Networks

QUANTILES = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
NUMBERS = 7


def statistics(networks: Networks) -> Tensor:
    """Mean, variance and five quantiles of every tensor, `[B, 7 * tensors]`; blind to the order of the neurons."""
    columns = []
    for tensor in networks.arch.tensors:
        # Sorted first: sums then come in one order, and permuted networks give the same bits.
        values = networks.params[:, tensor.start : tensor.stop].sort(1).values
        moments = torch.stack([values.mean(1), values.var(1, correction=0)])
        columns.append(torch.cat([moments, values.quantile(QUANTILES.to(values), dim=1)]).T)
    return torch.cat(columns, 1)


def depth_free_statistics(networks: Networks) -> Tensor:
    """The statistics of networks of any depth in the same columns, `[B, 7 * 5 * 3]`.

    Of matrices and kernels, of biases, and of all other tensors (of norms, say): mean, least and largest value over
    the tensors of that kind, and those of the first and the last one; 0 where there is none.
    """
    found = statistics(networks).unflatten(1, (-1, NUMBERS))
    kinds = ["matrix" if len(t.shape) > 1 else "bias" if t.kind == "bias" else "other" for t in networks.arch.tensors]
    columns = []
    for kind in ("matrix", "bias", "other"):
        of_kind = found[:, [i for i, k in enumerate(kinds) if k == kind]]
        if not of_kind.shape[1]:
            of_kind = found.new_zeros(len(found), 1, NUMBERS)
        columns += [of_kind.mean(1), of_kind.amin(1), of_kind.amax(1), of_kind[:, 0], of_kind[:, -1]]
    return torch.cat(columns, 1)
