"""Which source items and runs each split holds, of whole zoos and of parts."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from weightbench.zoo.recipes.catalogue import catalogue_entry
from weightbench.zoo.recipes.raw_data import load_digits
from weightbench.zoo.recipes.splits import split_items, split_runs


@given(limit=st.integers(3, 1797))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_limit_keeps_the_first_items_of_every_split(limit: int) -> None:
    entry, source = catalogue_entry("digits-inrs"), load_digits(None)
    whole, part = (split_items(entry.splits, source, "shuffled", n) for n in (None, limit))
    assert sum(map(len, part.values())) == limit
    for name, items in part.items():
        assert len(items) >= 1
        assert np.array_equal(items, whole[name][: len(items)])
    assert len(np.unique(np.concatenate(list(whole.values())))) == 1797


def test_the_mini_zoos_are_parts_of_the_whole_ones() -> None:
    from dataclasses import replace

    digits = load_digits(None)
    like_mnist = replace(digits, inputs=np.zeros((70_000, 1, 1), np.uint8), n_test=10_000)
    for name in ("mnist-inrs", "fashion-mnist-inrs"):
        mini, whole = (
            split_items(catalogue_entry(of).splits, like_mnist, "shuffled", None) for of in (f"{name}-mini", name)
        )
        for split in mini:
            assert set(mini[split]) < set(whole[split])
    by_index = split_items(catalogue_entry("mnist-inrs-nfn").splits, like_mnist, "index", None)
    assert [int(items[0]) for items in by_index.values()] == [0, 45_000, 50_000]
    assert max(items.max() for items in by_index.values()) < 60_000


@given(limit=st.integers(3, 30))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_splits_of_runs_hold_every_variant_alike(limit: int) -> None:
    strata = ["regular", "deeper", "wider"] * 10
    whole = split_runs({"train": 18, "val": 6, "test": 6}, strata, None)
    for runs in whole.values():
        assert {name: sum(strata[run] == name for run in runs) for name in set(strata)} == dict.fromkeys(
            set(strata), len(runs) // 3
        )
    assert sorted(np.concatenate(list(whole.values()))) == list(range(30))
    part = split_runs({"train": 18, "val": 6, "test": 6}, strata, limit)
    assert all(np.array_equal(part[name], whole[name][: len(part[name])]) for name in whole)
