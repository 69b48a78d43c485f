"""Of which edited INRs renderings are stored and scored: nobody's choice, and no order of a source."""

from __future__ import annotations

import numpy as np
import pytest

from weightbench.benchmarks.metrics.dilation import SCORED, drawn

IDS = [f"{item:05d}-0" for item in range(3 * SCORED)]


def test_a_split_that_was_drawn_is_scored_from_its_start() -> None:
    order = np.random.default_rng(0).permutation(len(IDS))
    assert drawn([IDS[place] for place in order]).tolist() == list(range(SCORED))


def test_a_split_in_the_order_of_its_ids_is_scored_all_over() -> None:
    places = drawn(IDS)
    assert len(set(places.tolist())) == SCORED
    assert places.tolist() == sorted(places.tolist())
    # About a third of the scored networks lie in each third of the source.
    assert [((places >= start) & (places < start + SCORED)).sum() / SCORED for start in range(0, len(IDS), SCORED)] == (
        pytest.approx([1 / 3] * 3, abs=0.06)
    )
    # Of a part of the source those are scored that were before, as far as they are in it.
    assert set(places[places < 2 * SCORED]) <= set(drawn(IDS[: 2 * SCORED]))


def test_a_small_split_is_scored_as_a_whole() -> None:
    assert drawn(IDS[:7]).tolist() == drawn(IDS[:7][::-1]).tolist() == list(range(7))
