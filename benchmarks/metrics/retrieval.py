"""Retrieval by exact search: mean average precision and recall@k. Every network is a query; the others, those of its
own run left out, are ranked by the Euclidean distance between embeddings.

These are standardised by the training networks. Those of version 1 of the task were stored as they were, and are
standardised by themselves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.preprocessing import StandardScaler, normalize

from ...runtime.errors import BadInput
from .metric import Answers, Evaluation, Items, Metric, mean_of_pseudo_values, pseudo_values

RECALL_AT = (1, 5, 10)
MIN_UNITS = 100  # units are searched among each other: intervals of fewer are too wide
QUERIES = 128  # ranked at once


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
        """Mean average precision and recall@k; and the former by cosine, which is by distance at equal lengths."""
        embeddings, labels, owners = self.read(answers)
        found = ranked(embeddings, labels, owners)
        items, ranks = _items(found), found.ranks[~np.isnan(found.precisions)]
        recalls = {f"recall@{k}": 100 * float(np.mean(ranks < k)) for k in RECALL_AT}
        cosine = 100 * float(np.nanmean(ranked(normalize(embeddings), labels, owners).precisions))
        return Evaluation({self.name: items.score} | recalls | {"map by cosine": cosine}, items, self.units(answers))


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
    return Items(100 * values[:, None], mean_of_pseudo_values, bounds=(0, 100), min_units=MIN_UNITS)


def _standardised(embeddings: np.ndarray) -> np.ndarray:
    found: np.ndarray = StandardScaler().fit_transform(embeddings.astype(float))
    return found


def ranked(embeddings: np.ndarray, labels: np.ndarray, owners: np.ndarray) -> Ranked:
    """Every network as a query: rows of another owner are ranked, and those of the query's label are relevant."""
    scaled = embeddings.astype(float)
    count = len(scaled)
    precisions, ranks = np.full(count, np.nan), np.zeros(count, int)
    changes, lost = np.zeros(count), np.zeros(count)
    for start in range(0, count, QUERIES):
        queries = np.arange(start, min(start + QUERIES, count))
        distances = euclidean_distances(scaled[queries], scaled)
        distances[owners[queries, None] == owners] = np.inf
        order = np.argsort(distances, axis=1, kind="stable")
        distances = np.take_along_axis(distances, order, axis=1)
        relevant = (labels[order] == labels[queries, None]) & np.isfinite(distances)
        total = relevant.sum(1)
        asked = total > 0
        queries, order, distances, relevant, total = (a[asked] for a in (queries, order, distances, relevant, total))
        precisions[queries] = _average_precisions(relevant, distances)
        first = relevant.argmax(1)
        ranks[queries] = first
        changes += np.bincount(order.ravel(), _changes_without_each(relevant).ravel(), count)
        lost += np.bincount(order[total == 1, first[total == 1]], minlength=count)
    known = np.nan_to_num(precisions)
    others = np.sum(~np.isnan(precisions)) - ~np.isnan(precisions) - lost
    return Ranked(precisions, ranks, (known.sum() - known + changes) / np.maximum(others, 1))


def _average_precisions(relevant: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Average precision of ranked lists `[lists, n]` with something relevant each; rows of one distance are one step.

    Of many lists at once; of each it is scikit-learn's `average_precision_score`.
    """
    place = np.arange(1, relevant.shape[1] + 1)
    last = np.ones(relevant.shape, bool)
    last[:, :-1] = distances[:, 1:] != distances[:, :-1]
    ends = np.minimum.accumulate(np.where(last, place, place[-1])[:, ::-1], axis=1)[:, ::-1]
    found = np.take_along_axis(relevant.cumsum(1), ends - 1, axis=1)
    precisions: np.ndarray = (relevant * found / ends).sum(1) / relevant.sum(1)
    return precisions


def _changes_without_each(relevant: np.ndarray) -> np.ndarray:
    """What each row of ranked lists `[lists, n]` changes in the average precision if it is left out.

    A list without anything relevant left has a precision of 0.
    """
    place, found, total = np.arange(1, relevant.shape[1] + 1), relevant.cumsum(1), relevant.sum(1, keepdims=True)
    terms = relevant * found / place
    ahead = terms.cumsum(1) - terms
    # A row behind the one left out moves up by a place, and has one relevant row less before it if that was one.
    closer = relevant / np.maximum(place - 1, 1)
    behind, behind_each = ((a.sum(1, keepdims=True) - a.cumsum(1)) for a in (closer * found, closer))
    left = (ahead + behind - relevant * behind_each) / np.maximum(total - relevant, 1)
    changes: np.ndarray = left - terms.sum(1, keepdims=True) / total
    return changes
