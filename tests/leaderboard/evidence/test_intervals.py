"""The board's arithmetic on planted data: ties, wins, runs, ranks; `test_coverage` has its simulations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import r2_score

from weightbench.benchmarks.metrics.metric import Items, Units
from weightbench.benchmarks.metrics.scoring import METRICS
from weightbench.leaderboard.board.average_ranking import average_ranks
from weightbench.leaderboard.evidence.intervals import estimated, holm, tie_groups


def single(n: int) -> Units:
    return Units(np.arange(n), "network")


def test_copies_of_one_image_are_drawn_together() -> None:
    """Four copies that share their image's difficulty: as single items the interval would be half as wide."""
    random = np.random.default_rng(0)
    values = np.repeat(random.normal(size=(200, 150)), 4, axis=1) + 0.2 * random.normal(size=(200, 600))
    rows = [[Items(row[:, None])] for row in values]
    together, apart = estimated(rows, Units(np.repeat(np.arange(150), 4), "image")), estimated(rows, single(600))
    assert np.mean((together.low <= 0) & (together.high >= 0)) > 0.9
    assert np.mean((apart.low <= 0) & (apart.high >= 0)) < 0.8


def test_identical_methods_tie_and_one_that_always_wins_wins() -> None:
    random = np.random.default_rng(0)
    right = random.random((500, 1)) < 0.6
    same, better = Items(100.0 * right), Items(100.0 * right + 1)
    analysis = estimated([[same] * 3, [better] * 3, [same] * 3, [same] * 4], single(500))
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
        rows = [[Items(100.0 * (random.random((300, 1)) < 0.7)) for _ in range(3)] for _ in range(10)]
        apart += max(tie_groups(estimated(rows, single(300)), range(10), True).values()) > 1
    assert apart <= 10


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(20, 60))
def test_the_paired_test_is_students(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(n, 1)), random.normal(size=(n, 1))
    found = estimated([[Items(a)] * 3, [Items(b)] * 3], single(n)).p[0, 1]
    assert found == pytest.approx(stats.ttest_rel(a[:, 0], b[:, 0]).pvalue, rel=1e-9)


def test_a_correlation_is_pearsons_and_its_test_agrees_with_simulation() -> None:
    rejected = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        true = random.normal(size=200)
        a, b = (0.8 * true + 0.6 * random.normal(size=200) for _ in range(2))
        rows = [[METRICS["pearson-r"].items(guess, true)] * 3 for guess in (a, b)]
        found = estimated(rows, single(200))
        assert found.scores[0] == pytest.approx(stats.pearsonr(a, true).statistic)
        rejected += found.p[0, 1] < 0.05
    assert 2 <= rejected <= 20
    assert estimated([[METRICS["pearson-r"].items(np.ones(200), true)]], single(200)).scores[0] == 0


@pytest.mark.parametrize(("metric", "level"), [("r2", 0.64), ("kendall-tau", 0.5)])
def test_other_scores_of_regression_have_items_too(metric: str, level: float) -> None:
    def scores(seed: int) -> list[Items]:
        random = np.random.default_rng(seed)
        true = random.normal(size=300)
        # the noise at which R2 is 0.64, and tau 0.5 (r = sin(pi/4) of two normals)
        noise = random.normal(size=300)
        guess = true + 0.6 * noise if metric == "r2" else np.sqrt(0.5) * (true + noise)
        return [METRICS[metric].items(guess, true)]

    found = estimated([scores(seed) for seed in range(400)], single(300))
    assert np.mean((found.low <= level) & (level <= found.high)) > 0.92
    assert found.scores.mean() == pytest.approx(level, abs=0.01)
    random = np.random.default_rng(7)
    true, guess = random.integers(0, 9, size=(2, 50)).astype(float)
    exact = {"kendall-tau": stats.kendalltau(guess, true).statistic, "r2": r2_score(true, guess)}[metric]
    assert estimated([[METRICS[metric].items(guess, true)]], single(50)).scores[0] == pytest.approx(exact)


def test_seeds_that_differ_more_than_items_widen_the_interval_and_tie() -> None:
    """Three seeds at 58, 50 and 63 % say little, however many images there are."""
    random = np.random.default_rng(0)
    ease = random.random((2000, 1))
    apart = [Items(100.0 * (ease < level), bounds=(0, 100)) for level in (0.583, 0.503, 0.635)]
    alike = [Items(100.0 * (ease < level), bounds=(0, 100)) for level in (0.500, 0.501, 0.499)]
    found = estimated([apart, alike, apart[:1]], single(2000))
    assert found.high[0] - found.low[0] > 25
    assert found.high[1] - found.low[1] < 6
    assert found.high[2] - found.low[2] < 6, "of the images alone"
    assert tie_groups(found, range(3), higher_is_better=True) == {0: 1, 1: 1}, "one seed says nothing of its method"


def test_an_interval_stays_where_scores_are() -> None:
    rows = [
        [Items(np.full((40, 1), 100.0), bounds=(0, 100))],
        [Items(np.full((40, 1), 0.0), bounds=(0, 100))],
        [Items(100.0 * (np.arange(40)[:, None] > 0), bounds=(0, 100))],
    ]
    found = estimated(rows, single(40))
    exact = 100 * stats.binomtest(40, 40).proportion_ci(method="exact").low
    assert (found.low[0], found.high[0]) == (pytest.approx(exact), 100)
    assert (found.low[1], found.high[1]) == (0, pytest.approx(100 - exact))
    assert 80 < found.low[2] < 97.5 < found.high[2] < 100


def test_epochs_of_a_run_are_no_units_of_their_own() -> None:
    """A score per run is a mean over runs: their spread is that of its interval, however many epochs they have."""
    random = np.random.default_rng(0)
    runs = np.repeat(np.arange(30), 60)
    true = random.normal(size=1800) + 10.0 * runs
    guess = true + np.exp(random.normal(size=30))[runs] * random.normal(size=1800) - 7.0 * runs
    items = METRICS["pearson-r"].items(guess, true, runs)
    found = estimated([[items]], Units(runs, "run"))
    each = [stats.pearsonr(guess[runs == run], true[runs == run]).statistic for run in range(30)]
    assert found.scores[0] == pytest.approx(np.mean(each))
    low, high = stats.t.interval(0.95, 29, np.mean(each), stats.sem(each))
    assert found.high[0] - found.low[0] == pytest.approx(high - low, rel=0.1)
    assert found.low[0] < low, "few runs are hard to read, so there is more below than above"


def test_runs_that_do_not_count_are_no_units() -> None:
    runs = np.repeat(np.arange(-2, 25), 40).clip(-1)
    random = np.random.default_rng(0)
    true = random.normal(size=len(runs))
    items = METRICS["pearson-r"].items(true + random.normal(size=len(runs)), true, runs)
    units = Units(runs, "run")
    assert units.count == 25
    assert estimated([[items]], units).scores[0] == pytest.approx(items.score)


def test_constants_correlate_with_nothing_exactly() -> None:
    # One constant per run: only rounding varies, and differently on every machine.
    runs = np.repeat(np.arange(21), 40)
    true = np.random.default_rng(0).uniform(0.1, 0.9, 840)
    predicted = np.resize(np.float32([0.1, 0.7, 0.3]), 21)[runs]
    found = estimated([[METRICS["pearson-r"].items(predicted, true, runs)]], Units(runs, "run"))
    assert (found.scores[0], found.low[0], found.high[0]) == (0, 0, 0)


def test_holm_is_stepwise() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_ranks_are_of_complete_rows_only() -> None:
    boards = [
        {"poor": 0.5, "good": 0.9, "middling": 0.7},
        {"middling": 0.7, "elsewhere": 0.99, "good": 0.9, "poor": 0.5},
    ]
    assert average_ranks(boards, ["digits", "moons"]) == [("good", 1), ("middling", 2), ("poor", 3)]
    assert average_ranks([{"good": 1.0}, {}], ["digits", "moons"]) == []


def test_boards_of_one_zoo_count_once_together() -> None:
    """Three targets of one zoo say no more against another zoo than one."""
    a, b = {"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0}
    assert average_ranks([a, a, a, b], ["moons", "moons", "moons", "digits"]) == [("a", 1.5), ("b", 1.5)]
    assert average_ranks([a, a, a, b], ["moons", "covertype", "california", "digits"])[0] == ("a", 1.25)
