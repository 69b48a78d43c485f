"""Retrieval by exact search: mean average precision and recall@k. Every network is a query; the others, those of its
own run left out, are ranked by the Euclidean distance between standardised embeddings."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.preprocessing import StandardScaler

from ...runtime.errors import BadInput
from .metric import Answers, Evaluation, Items, Metric, counted

RECALL_AT = (1, 5, 10)
QUERIES = 512  # whose distances are computed at once


class MeanAveragePrecision(Metric):
    """In %, over the queries that have anything to find; recall@k is the share of them that find it among the first k.

    A resampled score draws queries anew; what they search in stays.
    """

    name, unit = "map", "%"

    def read(self, answers: Answers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Embeddings `[N, d]`, labels `[N]` and owners `[N]`: the run of each network, or itself."""
        labels = answers.column(answers.options.target or "")
        known = "run" in answers.truth.table
        return answers.array("embeddings", None), labels, answers.column("run") if known else answers.networks

    def items(self, embeddings: np.ndarray, labels: np.ndarray, owners: np.ndarray | None = None) -> Items:
        """Average precision of each query. Raises BadInput where no query has anything to find."""
        precisions, _ = ranked(embeddings, labels, np.arange(len(labels)) if owners is None else owners)
        return _precision_items(precisions)

    def evaluate(self, answers: Answers) -> Evaluation:
        """Mean average precision and recall@k."""
        precisions, ranks = ranked(*self.read(answers))
        items, found = _precision_items(precisions), ranks[~np.isnan(precisions)]
        recalls = {f"recall@{k}": 100 * float(np.mean(found < k)) for k in RECALL_AT}
        return Evaluation({self.name: items.score} | recalls, items)


def _precision_items(precisions: np.ndarray) -> Items:
    counts = ~np.isnan(precisions)
    if not counts.any():
        raise BadInput("no test network has another of its kind in another run: there is nothing to retrieve")
    return counted(100 * precisions, counts)


def ranked(embeddings: np.ndarray, labels: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average precision `[N]` of every query, NaN where no row is relevant, and the rank of the first relevant row.

    Rows of another owner are ranked, and those of the query's label are relevant.
    """
    scaled = StandardScaler().fit_transform(embeddings.astype(float))
    precisions, ranks = np.full(len(scaled), np.nan), np.zeros(len(scaled), int)
    for start in range(0, len(scaled), QUERIES):
        for row, distances in enumerate(euclidean_distances(scaled[start : start + QUERIES], scaled), start):
            others = owners != owners[row]
            relevant = labels[others] == labels[row]
            if not relevant.any():
                continue
            precisions[row] = average_precision_score(relevant, -distances[others])
            ranks[row] = int(relevant[np.argsort(distances[others], kind="stable")].argmax())
    return precisions, ranks
