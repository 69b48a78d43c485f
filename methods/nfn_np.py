"""NP-NFN (Zhou et al., NeurIPS 2023, arXiv:2302.14040): layers for permutations of all neurons, inputs and outputs too.

They have fewer parameters and know no sizes of the ends; a code of the inputs' and outputs' numbers tells those apart,
so that the whole is again invariant to permutations of the hidden neurons only.
"""

from __future__ import annotations

from pydantic import NonNegativeInt

from .spaces.nfn_model import NFNMethod


class NPNFN(NFNMethod):
    """Equivariant linear layers for all neurons, inputs and outputs told apart by a sinusoidal code.

    44,966,186 parameters at 2-32-32-1 and ten classes, as the authors' code with its pooling `NP`. (Their released
    configuration leaves the head at `HNP`, which keeps the inputs' columns apart and has 512,000 more.) Recipe and
    fields: see `nfn_model.NFNMethod`.
    """

    name = "nfn-np"
    permute_ends = True

    bands: NonNegativeInt = 3
