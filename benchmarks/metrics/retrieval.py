"""Retrieval by exact search: mean average precision and recall@k. Every network is a query; the others, those of its
own run left out, are ranked by the Euclidean distance between embeddings.

These are standardised by the training networks. Those of version 1 of the task were stored as they were, and are
standardised by themselves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.preprocessing import StandardScaler

from ...runtime.errors import BadInput
from .metric import Answers, Evaluation, Items, Metric, mean_of_pseudo_values, pseudo_values

RECALL_AT = (1, 5, 10)
QUERIES = 512  # whose distances are computed at once


class MeanAveragePrecision(Metric):
    """In %, over the queries that have anything to find; recall@k is the share of them that find it among the first k.

    A network is a query, and is found by others: its pseudo-value is of the score without it in either part.
    """

    name, unit = "map", "%"

    def read(self, answers: Answers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Embeddings `[N, d]`, labels `[N]` and owners `[N]`: the run of each network, or itself."""
        labels = answers.column(answers.options.target or "")
        known = "run" in answers.truth.table
        owners = answers.column("run") if known else answers.networks
        if "embeddings" in answers.arrays:
            return _standardised(answers.array("embeddings", None)), labels, owners
        return answers.array("standardised", None), labels, owners

    def quality(self, predicted: np.ndarray, targets: np.ndarray) -> float:
        """In training: embeddings are standardised by themselves, since the method is not fitted yet."""
        return self.value(_standardised(predicted), targets)

    def items(self, embeddings: np.ndarray, labels: np.ndarray, owners: np.ndarray | None = None) -> Items:
        """Pseudo-values of each network. Raises BadInput where no query has anything to find."""
        return _items(ranked(embeddings, labels, np.arange(len(labels)) if owners is None else owners))

    def evaluate(self, answers: Answers) -> Evaluation:
        """Mean average precision and recall@k."""
        found = ranked(*self.read(answers))
        items, ranks = _items(found), found.ranks[~np.isnan(found.precisions)]
        recalls = {f"recall@{k}": 100 * float(np.mean(ranks < k)) for k in RECALL_AT}
        return Evaluation({self.name: items.score} | recalls, items, self.units(answers))


class Ranked(NamedTuple):
    """What every network found as a query, `[N]` each.

    Attributes:
        precisions: its average precision; NaN where nothing is relevant.
        ranks: the rank of the first relevant row.
        left_out: the mean average precision of the others, if the network were not there.
    """

    precisions: np.ndarray
    ranks: np.ndarray
    left_out: np.ndarray


def _items(found: Ranked) -> Items:
    if np.isnan(found.precisions).all():
        raise BadInput("no test network has another of its kind in another run: there is nothing to retrieve")
    values = pseudo_values(float(np.nanmean(found.precisions)), found.left_out)
    return Items(100 * values[:, None], mean_of_pseudo_values, bounds=(0, 100))


def _standardised(embeddings: np.ndarray) -> np.ndarray:
    found: np.ndarray = StandardScaler().fit_transform(embeddings.astype(float))
    return found


def ranked(embeddings: np.ndarray, labels: np.ndarray, owners: np.ndarray) -> Ranked:
    """Every network as a query: rows of another owner are ranked, and those of the query's label are relevant."""
    scaled = embeddings.astype(float)
    precisions, ranks = np.full(len(scaled), np.nan), np.zeros(len(scaled), int)
    changes, lost = np.zeros(len(scaled)), np.zeros(len(scaled))
    for start in range(0, len(scaled), QUERIES):
        for row, distances in enumerate(euclidean_distances(scaled[start : start + QUERIES], scaled), start):
            others = np.flatnonzero(owners != owners[row])
            relevant = labels[others] == labels[row]
            if not relevant.any():
                continue
            precisions[row] = average_precision_score(relevant, -distances[others])
            order = np.argsort(distances[others], kind="stable")
            ranks[row] = int(relevant[order].argmax())
            before, after = _precisions_without_each(relevant[order])
            changes[others[order]] += after - before
            lost[others[order]] += relevant[order] & (relevant.sum() == 1)
    known = np.nan_to_num(precisions)
    queries = np.sum(~np.isnan(precisions)) - ~np.isnan(precisions) - lost
    return Ranked(precisions, ranks, (known.sum() - known + changes) / np.maximum(queries, 1))


def _precisions_without_each(relevant: np.ndarray) -> tuple[float, np.ndarray]:
    """The average precision of a ranked list `[n]`, and without each of its rows; 0 where no relevant row is left."""
    place, found, total = np.arange(1, len(relevant) + 1), np.cumsum(relevant), relevant.sum()
    terms = relevant * found / place
    ahead = np.cumsum(terms) - terms
    # A row behind the one left out moves up by a place, and has one relevant row less before it if that was one.
    closer = relevant / np.maximum(place - 1, 1)
    behind, behind_each = ((values.sum() - np.cumsum(values)) for values in (closer * found, closer))
    return terms.sum() / total, (ahead + behind - relevant * behind_each) / np.maximum(total - relevant, 1)
