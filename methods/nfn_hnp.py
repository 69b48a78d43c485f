"""HNP-NFN (Zhou et al., NeurIPS 2023, arXiv:2302.14040): layers for permutations of the hidden neurons alone.

Inputs and outputs keep their places: their weights are full linear maps over them.
"""

from __future__ import annotations

from .spaces.nfn_model import NFNMethod


class HNPNFN(NFNMethod):
    """Equivariant linear layers for hidden neurons, then an MLP on the means over the neurons.

    68,844,330 parameters at 2-32-32-1 and ten classes, as the authors' code; `nfn_linear.NFNLinear` says where one map
    differs. Recipe and fields: see `nfn_model.NFNMethod`.
    """

    name = "nfn-hnp"
    permute_ends = False
