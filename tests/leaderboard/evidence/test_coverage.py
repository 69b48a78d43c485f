"""Simulations with known truth: how often intervals hold it, and what tests find. Planted, seeds fixed.

Units and seeds are drawn anew in every experiment. With one seed an interval speaks of units alone, so there seeds
change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from scipy.special import expit

from weightbench.benchmarks.metrics.metric import Items, Units
from weightbench.benchmarks.metrics.scoring import METRICS
from weightbench.leaderboard.evidence.intervals import estimated, tie_groups

Experiment = Callable[[np.random.Generator, int, int, float], tuple[list[Items], Units]]
EPOCHS, COPIES = 10, 4
SPREAD = 0.1  # of the logarithm of the noise over seeds


def trajectories(random: np.random.Generator, runs: int) -> np.ndarray:
    """Learning curves `[runs, EPOCHS]`: runs of other levels and speeds."""
    speed = np.exp(0.5 * random.normal(size=(runs, 1)))
    rise = 1.5 * (1 - np.exp(-speed * np.linspace(0, 3, EPOCHS)))
    found: np.ndarray = random.normal(size=(runs, 1)) + rise
    return found


def pooled(random: np.random.Generator, runs: int, seeds: int, spread: float) -> tuple[list[Items], Units]:
    """One r over all epochs of all runs; a method is wrong about whole runs, some of them with every seed."""
    true, hard = trajectories(random, runs), random.normal(size=(runs, 1))
    found = []
    for _ in range(seeds):
        noise = 0.5 * hard + 0.4 * random.normal(size=(runs, 1)) + 0.3 * random.normal(size=true.shape)
        guess = true + np.exp(spread * random.normal()) * noise
        found.append(METRICS["pearson-r"].items(guess.ravel(), true.ravel()))
    return found, Units(np.repeat(np.arange(runs), EPOCHS), "run")


def per_run(random: np.random.Generator, runs: int, seeds: int, spread: float) -> tuple[list[Items], Units]:
    """The mean of one r per run; some runs are harder to read than others."""
    true, hard = trajectories(random, runs), 0.5 * random.normal(size=(runs, 1))
    codes = np.repeat(np.arange(runs), EPOCHS)
    found = []
    for _ in range(seeds):
        noise = np.exp(hard + spread * random.normal()) * random.normal(size=true.shape)
        found.append(METRICS["pearson-r"].items((true + 0.25 * noise).ravel(), true.ravel(), codes))
    return found, Units(codes, "run")


def accuracy(random: np.random.Generator, images: int, seeds: int, spread: float) -> tuple[list[Items], Units]:
    """Four networks of each image; some images are harder than others for every seed."""
    ease = 1 + random.normal(size=(images, 1))
    found = []
    for _ in range(seeds):
        right = random.random((images, COPIES)) < expit(ease + 2 * spread * random.normal())
        found.append(METRICS["accuracy"].items(np.eye(2)[right.ravel().astype(int)], np.ones(images * COPIES)))
    return found, Units(np.repeat(np.arange(images), COPIES), "image")


def precision(random: np.random.Generator, runs: int, seeds: int, spread: float) -> tuple[list[Items], Units]:
    """Networks of four kinds, each kind around its own place; an encoder's seed blurs all of them."""
    kinds, noise = np.arange(runs) % 4, random.normal(size=(runs, 3))
    found = []
    for _ in range(seeds):
        blur = np.exp(spread * random.normal()) * (0.8 * noise + 0.3 * random.normal(size=noise.shape))
        found.append(METRICS["map"].items(1.5 * np.eye(4)[kinds][:, :3] + blur, kinds))
    return found, Units(np.arange(runs), "run")


def barrier(random: np.random.Generator, runs: int, seeds: int, spread: float) -> tuple[list[Items], Units]:
    """A ring of pairs, each run in two of them: what a barrier owes to its runs, and to the pair."""
    run, pair = random.gamma(2.0, 0.5, size=runs), random.gamma(1.0, 0.5, size=runs)
    line = np.zeros(11)
    line[5] = 1
    found = []
    for _ in range(seeds):
        height = np.exp(spread * random.normal()) * (run + np.roll(run, -1) + pair)
        height = height * np.exp(0.1 * random.normal(size=runs))
        found.append(METRICS["barrier"].items(height[:, None] * line))
    return found, Units(np.arange(runs), "pair of runs", shared=2)


@cache
def truth(experiment: Experiment, spread: float) -> float:
    """The expected score: that of very many units and seeds."""
    random = np.random.default_rng(1)
    sizes = [100] * 600 if experiment is per_run else [1000] * 200
    return float(np.mean([experiment(random, size, 1, spread)[0][0].score for size in sizes]))


def covered(experiment: Experiment, units: int, seeds: int, count: int) -> float:
    """How often the 95 % interval holds the truth, in %."""
    random, spread = np.random.default_rng([units, seeds]), SPREAD if seeds > 1 else 0.0
    drawn = [experiment(random, units, seeds, spread) for _ in range(count)]
    found = [estimated([items for items, _ in drawn[at : at + 100]], drawn[0][1]) for at in range(0, count, 100)]
    low, high, scores = (np.concatenate([getattr(one, end) for one in found]) for end in ("low", "high", "scores"))
    # What can be found depends on how many there are: the expected precision is that of as many.
    aim = scores.mean() if experiment is precision else truth(experiment, spread)
    return 100 * float(np.mean((low <= aim) & (aim <= high)))


@pytest.mark.parametrize("seeds", [1, 3, 5])
@pytest.mark.parametrize("units", [20, 100])
@pytest.mark.parametrize("experiment", [pooled, per_run, accuracy])
def test_an_interval_covers_the_truth_95_times_in_100(experiment: Experiment, units: int, seeds: int) -> None:
    assert 93 <= covered(experiment, units, seeds, 3000 if experiment is per_run else 1500) <= 97


@pytest.mark.parametrize("seeds", [1, 3, 5])
@pytest.mark.parametrize("units", [40, 100])
def test_an_interval_of_barriers_allows_for_the_runs_that_pairs_share(units: int, seeds: int) -> None:
    assert 93 <= covered(barrier, units, seeds, 1500) <= 97


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_an_interval_of_mean_average_precision_allows_for_what_is_searched(seeds: int) -> None:
    assert 93 <= covered(precision, 100, seeds, 3000) <= 97


FEWER = [(experiment, units) for experiment in (pooled, per_run, accuracy) for units in (8, 19)]


@pytest.mark.parametrize(("experiment", "units"), [*FEWER, (precision, 20), (precision, 99)])
def test_fewer_units_have_no_interval(experiment: Experiment, units: int) -> None:
    items, named = experiment(np.random.default_rng(0), units, 3, SPREAD)
    found = estimated([items, items], named)
    assert np.isnan([*found.low, *found.high, *found.p.ravel()]).all()
    assert found.scores[0] == pytest.approx(np.mean([one.score for one in items]))
    assert tie_groups(found, range(2), higher_is_better=True) == {}


def methods(random: np.random.Generator, seeds: int) -> list[list[Items]]:
    """Two methods of equal strength on the same 100 images, some of them hard for both, seeds of their own."""
    ease = 1 + random.normal(size=(100, 1))
    rows = []
    for _ in range(2):
        own = ease + 0.5 * random.normal(size=(100, 1))
        chances = (expit(own + 2 * SPREAD * random.normal()) for _ in range(seeds))
        rows.append([Items(100.0 * (random.random((100, 1)) < chance), bounds=(0, 100)) for chance in chances])
    return rows


def decoders(random: np.random.Generator, seeds: int) -> list[list[Items]]:
    """Two methods of equal strength that predict the same 30 runs, each with errors of its own."""
    true = trajectories(random, 30)
    rows = []
    for _ in range(2):
        hard, row = random.normal(size=(30, 1)), []
        for _ in range(seeds):
            noise = 0.5 * hard + 0.4 * random.normal(size=(30, 1)) + 0.3 * random.normal(size=true.shape)
            guess = true + np.exp(SPREAD * random.normal()) * noise
            row.append(METRICS["pearson-r"].items(guess.ravel(), true.ravel()))
        rows.append(row)
    return rows


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(
    ("draw", "units"),
    [(methods, Units(np.arange(100), "image")), (decoders, Units(np.repeat(np.arange(30), EPOCHS), "run"))],
)
def test_equal_methods_share_a_group(
    draw: Callable[[np.random.Generator, int], list[list[Items]]], units: Units, seeds: int
) -> None:
    shared = 0
    for number in range(300):
        found = estimated(draw(np.random.default_rng(number), seeds), units)
        shared += set(tie_groups(found, range(2), higher_is_better=True).values()) == {1}
    assert shared >= 0.94 * 300


@pytest.mark.parametrize("seeds", [3, 5])
def test_methods_that_differ_by_three_standard_errors_are_told_apart(seeds: int) -> None:
    units = Units(np.arange(100), "image")
    pairs = [methods(np.random.default_rng(number), seeds) for number in range(300)]
    error = np.std([estimated(rows, units).difference(0, 1)[0] for rows in pairs], ddof=1)
    apart = 0
    for first, second in pairs:
        lifted = [Items(items.columns + 3 * error) for items in second]
        apart += tie_groups(estimated([first, lifted], units), range(2), higher_is_better=True) == {1: 1, 0: 2}
    assert apart > 0.5 * 300
