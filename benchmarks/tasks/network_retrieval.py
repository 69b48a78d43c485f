"""Network retrieval: given a network, find others of its kind: same data set, optimizer, architecture (`--target`).

Every test network is a query; the others, those of its own run left out, are ranked by distance to it. Under the
representation protocol distances are between embeddings; under the supervised one between logits, which are trained to
tell the classes.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ...zoo.collection import Zoo
from ..result import Options
from ..scoring import retrieval_scores
from .property import Property


class NetworkRetrieval(Property):
    name = "network-retrieval"
    family = "property"
    description = "Find the networks nearest in embedding that were made alike (--target)"
    kinds = ("classes",)
    compares_embeddings = True

    def __init__(self, zoo: Zoo, options: Options | None = None) -> None:
        super().__init__(zoo, options)
        self.metric = "map"

    def quality(self, observed: Tensor, targets: Tensor) -> float:
        """Mean average precision, where every other network is a candidate."""
        return retrieval_scores(observed.cpu().numpy(), targets.cpu().numpy(), np.arange(len(targets)))["map"]

    def evidence(self, observed: Tensor, targets: Tensor) -> dict[str, np.ndarray]:
        return {"embeddings": observed.float().numpy()}


TASK = NetworkRetrieval
