"""Metrics by themselves: against scipy's and by hand, and a score is what its items give."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import euclidean_distances

from weightbench.benchmarks.metrics.metric import Answers
from weightbench.benchmarks.metrics.retrieval import ranked
from weightbench.benchmarks.metrics.scoring import METRICS
from weightbench.benchmarks.records.result import Options


def test_retrieval_is_average_precision_over_other_runs() -> None:
    places = np.array([[0.0], [1.0], [2.1], [3.3], [4.6]])
    labels, runs = np.array(["a", "a", "b", "a", "b"]), np.array([0, 0, 1, 2, 2])
    # Ranked for each query, without its own run: b a b, b a b, a a a b, b a a, b a a
    table = pd.DataFrame({"id": list("vwxyz"), "kind": labels, "run": runs}).set_index("id")
    answers = Answers({"embeddings": places}, SimpleNamespace(table=table), Options(target="kind"), np.arange(5))
    found = METRICS["map"].evaluate(answers).scores
    assert found["map"] == pytest.approx(100 * np.mean([1 / 2, 1 / 2, 1 / 4, (1 / 2 + 2 / 3) / 2, 1]))
    assert found["recall@1"] == pytest.approx(20)
    assert found["recall@5"] == 100


def test_retrieval_by_cosine_knows_no_lengths() -> None:
    """Two kinds in two directions: lengths mislead distances, not angles."""
    places = np.array([[1.0, 0], [9, 0], [0, 1], [0, 9]])
    table = pd.DataFrame({"id": list("wxyz"), "kind": list("aabb")}).set_index("id")
    answers = Answers({"standardised": places}, SimpleNamespace(table=table), Options(target="kind"), np.arange(4))
    found = METRICS["map"].evaluate(answers).scores
    assert found["map by cosine"] == 100
    assert found["map"] < 100


def test_what_precision_loses_without_a_network_is_counted() -> None:
    """As a query and as what others find, in distances as they are."""
    random = np.random.default_rng(0)
    places, kinds, runs = random.normal(size=(40, 3)), random.integers(0, 12, 40), random.integers(0, 25, 40)
    found = ranked(places, kinds, runs)
    distances = euclidean_distances(places)
    for gone in range(40):
        precisions = []
        for query in np.delete(np.arange(40), gone):
            others = (runs != runs[query]) & (np.arange(40) != gone)
            relevant = kinds[others] == kinds[query]
            if relevant.any():
                precisions.append(average_precision_score(relevant, -distances[query, others]))
        assert found.left_out[gone] == pytest.approx(np.mean(precisions))


@given(st.integers(0, 2**32 - 1))
def test_precision_is_that_of_scikit_learn_whatever_is_as_far_as_something_else(seed: int) -> None:
    random = np.random.default_rng(seed)
    places, kinds, runs = random.integers(0, 5, (30, 1)), random.integers(0, 9, 30), random.integers(0, 15, 30)
    found = ranked(places, kinds, runs).precisions
    for query, others in enumerate(runs != runs[:, None]):
        relevant = kinds[others] == kinds[query]
        if relevant.any():
            nearness = -abs(places - places[query])[others, 0]
            assert found[query] == pytest.approx(average_precision_score(relevant, nearness))
        else:
            assert np.isnan(found[query])


def test_units_are_what_is_independent() -> None:
    """Copies of an image, epochs of a run, and pairs of runs, of which each run is in two."""
    table = pd.DataFrame(
        {"id": list("abcdef"), "item": [0, 0, 1, 1, 2, 2], "epoch": 1, "architecture": "x", "source": "y"}
    )
    images = SimpleNamespace(table=table.set_index("id"), images=np.zeros((6, 2, 2)))
    of_images = METRICS["accuracy"].units(Answers({}, images, Options(), np.arange(6)))
    assert (of_images.name, of_images.count, of_images.shared) == ("image", 3, 1)
    runs = SimpleNamespace(table=table.rename(columns={"item": "run"}).set_index("id"), images=None)
    of_runs = METRICS["accuracy"].units(Answers({}, runs, Options(), np.arange(6)))
    assert (of_runs.name, of_runs.count) == ("run", 3)
    of_pairs = METRICS["barrier"].units(Answers({}, runs, Options(), np.array([0, 2, 4])))
    assert (of_pairs.name, of_pairs.count, of_pairs.shared) == ("pair of runs", 3, 2)
    alone = SimpleNamespace(table=runs.table.iloc[:4], images=None)
    assert METRICS["barrier"].units(Answers({}, alone, Options(), np.array([0]))).shared == 1


def test_scores_are_those_of_scipy_and_survive_constants() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert METRICS["pearson-r"].value(values * 3 + 1, values) == pytest.approx(1)
    assert METRICS["kendall-tau"].value(-values, values) == pytest.approx(-1)
    assert METRICS["r2"].value(values, values) == 1
    for name in ("pearson-r", "r2", "kendall-tau"):
        assert METRICS[name].value(np.full(4, 2.5), values) == 0


@given(st.integers(0, 2**32 - 1), st.sampled_from(["pearson-r", "r2", "kendall-tau"]), st.booleans())
def test_a_score_is_what_its_items_give(seed: int, name: str, per_run: bool) -> None:
    random = np.random.default_rng(seed)
    true, runs = random.normal(size=60), np.repeat([0, 1, -1], 20) if per_run else None
    predicted = true + random.normal(size=60)
    assert METRICS[name].items(predicted, true, runs).score == pytest.approx(METRICS[name].value(predicted, true, runs))
