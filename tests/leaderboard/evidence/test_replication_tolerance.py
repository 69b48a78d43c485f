"""What of a difference seeds and machines explain."""

from __future__ import annotations

import numpy as np
import pytest

from weightbench.leaderboard.evidence.replication_tolerance import tolerance


@pytest.mark.parametrize("count", [3, 5, 10])
def test_it_holds_for_95_of_100_further_draws(count: int) -> None:
    """The next run of a method, beside the run of a seed, where both are independent draws."""
    draws = np.random.default_rng(0).normal(50, 1, (4000, count + 2))
    explained = [tolerance(0.0, row[2:].tolist(), None, same_networks=True) for row in draws]
    within = np.mean(np.abs(draws[:, 0] - draws[:, 1]) <= explained)
    assert within == pytest.approx(0.95, abs=0.012)


def test_the_interval_counts_where_networks_are_others_or_seeds_too_few() -> None:
    assert tolerance(50.0, [50.0, 50.0, 50.0], (40.0, 60.0), same_networks=True) == 0.5
    assert tolerance(50.0, [50.0, 50.0, 50.0], (40.0, 60.0), same_networks=False) == 10
    assert tolerance(50.0, [50.0], (40.0, 60.0), same_networks=True) == 10
    assert tolerance(-50.0, [-50.0], None, same_networks=True) == 0.5
