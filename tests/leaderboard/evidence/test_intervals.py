"""The board's arithmetic on planted data: ties, wins, coverage, ranks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import r2_score

from weightbench.benchmarks.metrics.metric import Items, share_of
from weightbench.benchmarks.metrics.scoring import METRICS
from weightbench.leaderboard.evidence.intervals import Ranked, Units, average_ranks, holm, resampled, tie_groups

Draw = Callable[[np.random.Generator], list[Items]]


def single(n: int, key: str = "zoo") -> Units:
    return Units(np.arange(n), key)


def accuracy(random: np.random.Generator) -> list[Items]:
    return [Items(100.0 * (random.random((400, 1)) < 0.8))]


def accuracy_of_three_seeds(random: np.random.Generator) -> list[Items]:
    """Some items are harder than others, for every seed alike."""
    ease = random.beta(4, 1, size=(400, 1))
    return [Items(100.0 * (random.random((400, 1)) < ease)) for _ in range(3)]


def squared_errors(random: np.random.Generator) -> list[Items]:
    return [Items(random.gamma(2.0, 1.0, size=(400, 1)))]


def correlation(random: np.random.Generator) -> list[Items]:
    true = random.normal(size=400)
    return [METRICS["pearson-r"].items(0.8 * true + 0.6 * random.normal(size=400), true)]


@pytest.mark.parametrize(
    ("draw", "truth"), [(accuracy, 80), (accuracy_of_three_seeds, 80), (squared_errors, 2), (correlation, 0.8)]
)
def test_an_interval_covers_the_truth_95_times_in_100(draw: Draw, truth: float) -> None:
    found = resampled([draw(np.random.default_rng(seed)) for seed in range(500)], single(400))
    covered = np.mean((found.low <= truth) & (truth <= found.high))
    assert 0.93 <= covered <= 0.97


def test_copies_of_one_image_are_drawn_together() -> None:
    """Four copies that share their image's difficulty: as single items the interval would be half as wide."""
    random = np.random.default_rng(0)
    values = np.repeat(random.normal(size=(200, 150)), 4, axis=1) + 0.2 * random.normal(size=(200, 600))
    rows = [[Items(row[:, None])] for row in values]
    together, apart = resampled(rows, Units(np.repeat(np.arange(150), 4), "zoo")), resampled(rows, single(600))
    assert np.mean((together.low <= 0) & (together.high >= 0)) > 0.9
    assert np.mean((apart.low <= 0) & (apart.high >= 0)) < 0.8


def test_identical_methods_tie_and_one_that_always_wins_wins() -> None:
    random = np.random.default_rng(0)
    right = random.random((500, 1)) < 0.6
    same, better = Items(100.0 * right), Items(100.0 * right + 1)
    analysis = resampled([[same], [better], [same], [same, same]], single(500))
    assert tie_groups(analysis, range(4), higher_is_better=True) == {1: 1, 0: 2, 2: 2, 3: 2}
    assert tie_groups(analysis, range(4), higher_is_better=False) == {0: 1, 2: 1, 3: 1, 1: 2}
    assert analysis.p[0, 2] == 1
    assert analysis.p[0, 1] == 0
    assert analysis.low[0] < analysis.scores[0] < analysis.high[0]


def test_methods_of_equal_strength_seldom_fall_apart() -> None:
    """Ten equal methods, 45 pairs: without correction some pair would differ nearly always."""
    apart = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        rows = [[Items(100.0 * (random.random((300, 1)) < 0.7))] for _ in range(10)]
        apart += max(tie_groups(resampled(rows, single(300)), range(10), True).values()) > 1
    assert apart <= 10


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 60))
def test_the_paired_test_is_students(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(n, 1)), random.normal(size=(n, 1))
    found = resampled([[Items(a)], [Items(b)]], single(n)).p[0, 1]
    assert found == pytest.approx(stats.ttest_rel(a[:, 0], b[:, 0]).pvalue, rel=1e-5)


def test_a_correlation_is_pearsons_and_its_test_agrees_with_simulation() -> None:
    rejected = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        true = random.normal(size=200)
        a, b = (0.8 * true + 0.6 * random.normal(size=200) for _ in range(2))
        found = resampled([[METRICS["pearson-r"].items(a, true)], [METRICS["pearson-r"].items(b, true)]], single(200))
        assert found.scores[0] == pytest.approx(stats.pearsonr(a, true).statistic)
        rejected += found.p[0, 1] < 0.05
    assert 2 <= rejected <= 20
    assert resampled([[METRICS["pearson-r"].items(np.ones(200), true)]], single(200)).scores[0] == 0


@pytest.mark.parametrize(("metric", "level"), [("r2", 0.64), ("kendall-tau", 0.5)])
def test_other_scores_of_regression_have_items_too(metric: str, level: float) -> None:
    def scores(seed: int) -> list[Items]:
        random = np.random.default_rng(seed)
        true = random.normal(size=300)
        # the noise at which R2 is 0.64, and tau 0.5 (r = sin(pi/4) of two normals)
        noise = random.normal(size=300)
        guess = true + 0.6 * noise if metric == "r2" else np.sqrt(0.5) * (true + noise)
        return [METRICS[metric].items(guess, true)]

    found = resampled([scores(seed) for seed in range(400)], single(300))
    assert np.mean((found.low <= level) & (level <= found.high)) > 0.92
    assert found.scores.mean() == pytest.approx(level, abs=0.01)
    random = np.random.default_rng(7)
    true, guess = random.integers(0, 9, size=(2, 50)).astype(float)
    exact = {"kendall-tau": stats.kendalltau(guess, true).statistic, "r2": r2_score(true, guess)}[metric]
    assert resampled([[METRICS[metric].items(guess, true)]], single(50)).scores[0] == pytest.approx(exact)


def test_a_mean_over_some_items_counts_no_others() -> None:
    """Queries without anything to find, networks without a partner: as if they were not there."""
    random = np.random.default_rng(3)
    values, counted = random.normal(5, 1, size=400), random.random(400) < 0.5
    some = Items(np.stack([np.where(counted, values, 0), counted], 1).astype(float), share_of)
    found = resampled([[some]], single(400))
    alone = resampled([[Items(values[counted][:, None])]], single(int(counted.sum())))
    assert found.scores[0] == pytest.approx(values[counted].mean())
    assert found.high[0] - found.low[0] == pytest.approx(alone.high[0] - alone.low[0], rel=0.1)


def test_a_score_per_run_is_drawn_within_runs() -> None:
    """The mean of three runs' correlations, though the runs differ widely in level."""
    random = np.random.default_rng(0)
    runs = np.repeat(np.arange(3), 60)
    true = random.normal(size=180) + 10.0 * runs
    guess = true + random.normal(size=180) - 7.0 * runs
    found = resampled([[METRICS["pearson-r"].items(guess, true, runs)]], single(180))
    each = [stats.pearsonr(guess[runs == run], true[runs == run]).statistic for run in range(3)]
    assert found.scores[0] == pytest.approx(np.mean(each))
    assert 0.02 < found.high[0] - found.low[0] < 0.2


def test_constants_correlate_with_nothing_exactly() -> None:
    # One constant per run: only rounding varies, and differently on every machine.
    runs = np.repeat(np.arange(3), 40)
    true = np.random.default_rng(0).uniform(0.1, 0.9, 120)
    found = resampled([[METRICS["pearson-r"].items(np.float32([0.1, 0.7, 0.3])[runs], true, runs)]], single(120))
    assert (found.replicates == 0).all()


def test_holm_is_stepwise() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_ranks_are_of_complete_rows_only() -> None:
    random = np.random.default_rng(1)
    levels = {"good": 0.9, "middling": 0.7, "poor": 0.5, "elsewhere": 0.99}
    boards = []
    for labels in (["poor", "good", "middling"], ["middling", "elsewhere", "good", "poor"]):
        rows = [[Items(100.0 * (random.random((300, 1)) < levels[label]))] for label in labels]
        analysis = resampled(rows, single(300))
        boards.append(Ranked(labels, analysis.scores, analysis.replicates, higher_is_better=True))
    found = average_ranks(boards)
    assert [(label, rank) for label, rank, _, _ in found] == [("good", 1), ("middling", 2), ("poor", 3)]
    assert all(low <= rank <= high for _, rank, low, high in found)
    assert average_ranks([]) == []
