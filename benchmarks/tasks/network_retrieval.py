"""Network retrieval: given a network, find others of its kind: same data set, optimizer, architecture (`--target`).

Every test network is a query; the others, those of its own run left out, are ranked by distance to it. Under the
representation protocol distances are between embeddings; under the supervised one between logits, which are trained to
tell the classes.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ...runtime.errors import BadInput
from ..metrics.scoring import column_values, retrieval_scores
from .property import Property


class NetworkRetrieval(Property):
    name = "network-retrieval"
    family = "property"
    description = "Find the networks nearest in embedding that were made alike (--target)"
    output, metric, unit, higher_is_better = "logits", "map", "%", True
    kinds = ("classes",)
    compares_embeddings = True

    def _check(self) -> None:
        super()._check()
        table = self.splits["test"].table
        if "run" in table and table.groupby(column_values(table, self.target))["run"].nunique().max() < 2:
            raise BadInput(f"zoo {self.zoo.name}: no test run has another with its {self.target}: nothing to retrieve")

    def quality(self, observed: Tensor, targets: Tensor) -> float:
        """Mean average precision, where every other network is a candidate."""
        return retrieval_scores(observed.cpu().numpy(), targets.cpu().numpy(), np.arange(len(targets)))["map"]

    def evidence(self, observed: Tensor, targets: Tensor) -> dict[str, np.ndarray]:
        return {"embeddings": observed.float().numpy()}


TASK = NetworkRetrieval
