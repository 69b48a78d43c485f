"""Network retrieval: given a network, find others of its kind: same data set, optimizer, architecture (`--target`).

Every test network is a query; the others, those of its own run left out, are ranked by distance to it. Under the
representation protocol distances are between embeddings; under the supervised one between logits, which are trained to
tell the classes.
"""

from __future__ import annotations

from torch import Tensor

from ...runtime.errors import BadInput
from ...zoo.storage.zoo import Split
from ..records.predictions import Arrays
from ..records.truth import column_values
from .property import Property


class NetworkRetrieval(Property):
    """Embeddings or logits, whose nearest neighbours are to be of the same kind."""

    name = "network-retrieval"
    version = 2  # 1: embeddings standardised by the test networks themselves
    family = "property"
    description = "Find the networks nearest in embedding that were made alike (--target)"
    output, metric = "logits", "map"
    kinds = ("classes",)
    compares_embeddings = True

    def _check(self) -> None:
        super()._check()
        table = self.splits["test"].table
        if "run" in table and table.groupby(column_values(table, self.target))["run"].nunique().max() < 2:
            raise BadInput(f"zoo {self.zoo.name}: no test run has another with its {self.target}: nothing to retrieve")

    def evidence(self, observed: Tensor, split: Split) -> Arrays:
        """Embeddings, standardised by the training networks, float32 `[N, d]`."""
        return {"standardised": observed.float().numpy()}
