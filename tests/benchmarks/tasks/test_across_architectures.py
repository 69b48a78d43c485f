"""Splits across architectures: no architecture, and no depth, width or family, on two sides."""

from __future__ import annotations

import pickle
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from helpers import planted_zoo
from helpers.recorded import read_results
from hypothesis import given
from hypothesis import strategies as st

import weightbench as wb
from weightbench.benchmarks.records.predictions import read_predictions
from weightbench.benchmarks.task.registry import load_task
from weightbench.runtime.errors import BadInput
from weightbench.zoo.recipes.catalogue import catalogue
from weightbench.zoo.recipes.run_recipe import RunRecipe
from weightbench.zoo.storage.split_policies.across_architectures import (
    ACROSS_ARCHITECTURES,
    architectures_of,
    depth,
    family,
    width,
)

POLICIES = list(ACROSS_ARCHITECTURES)
SIZES = [(4, 5, 3), (4, 9, 3), (4, 5, 5, 3), (4, 5, 12, 3), (4, 5, 5, 5, 3), (4, 7, 6, 5, 3)]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> wb.Zoo:
    """Six MLPs of three depths and five widths, four runs of ten networks each."""
    groups = {"-".join(map(str, sizes)): planted_zoo.networks(sizes, 40, seed) for seed, sizes in enumerate(SIZES)}
    return planted_zoo.write_zoo(tmp_path_factory.mktemp("many") / "zoo", groups)


def check(policy: str, architectures: dict[str, wb.Architecture]) -> bool:
    """Whether they can be split; if so, that nothing is on two sides and the test split is what its name says."""
    trait = ACROSS_ARCHITECTURES[policy][0]
    try:
        parts = architectures_of(policy, architectures, "zoo")
    except BadInput:
        return False
    assert list(parts) == ["train", "val", "test"]
    assert sorted(name for part in parts.values() for name in part) == sorted(architectures)
    traits = {split: {trait(architectures[name]) for name in part} for split, part in parts.items()}
    assert all(not traits[a] & traits[b] for a, b in combinations(traits, 2))
    assert len(parts["test"]) >= 0.2 * len(architectures)
    assert len(parts["val"]) >= 0.1 * len(architectures)
    if policy != "across-families":
        assert max(traits["train"]) < min(traits["val"]) <= max(traits["val"]) < min(traits["test"])
    return True


@pytest.mark.parametrize("policy", POLICIES)
def test_standard_zoos_of_many_architectures_have_these_splits(policy: str) -> None:
    recipes = [entry.recipe for entry in catalogue() if isinstance(entry.recipe, RunRecipe)]
    many = [recipe.architectures for recipe in recipes if recipe.draws_architectures]
    assert len(many) >= 3
    assert all(check(policy, architectures) for architectures in many)


@given(
    shapes=st.lists(st.lists(st.integers(1, 6), max_size=4), min_size=1, max_size=12),
    activations=st.lists(st.sampled_from(["relu", "tanh", "sine", "gelu"]), min_size=12, max_size=12),
    policy=st.sampled_from(POLICIES),
)
def test_any_architectures_are_split_in_this_way_or_refused(shapes, activations, policy) -> None:
    pairs = zip(shapes, activations, strict=False)
    architectures = {str(i): wb.Architecture.mlp((2, *hidden, 1), name) for i, (hidden, name) in enumerate(pairs)}
    done = check(policy, architectures)
    assert not done or len({ACROSS_ARCHITECTURES[policy][0](arch) for arch in architectures.values()}) >= 3


def test_the_traits_of_known_networks() -> None:
    mlp = wb.Architecture.mlp((2, 30, 8, 40), "tanh")
    assert (depth(mlp), width(mlp), family(mlp)) == (3, 30, ("linear", "tanh"))
    (entry,) = [entry for entry in catalogue() if entry.name == "digits-resnets"]
    for name, arch in entry.recipe.architectures.items():
        stages, blocks, channels = (int(part[1:]) for part in name.split("-")[1:4])
        assert depth(arch) == 2 + 2 * stages * blocks, (
            "projections on residual edges are beside, not on, the longest way"
        )
        assert width(arch) == channels * 2 ** (stages - 1)
    (entry,) = [entry for entry in catalogue() if entry.name == "digits-transformers"]
    for name, arch in entry.recipe.architectures.items():
        layers, features = (int(part[1:]) for part in name.split("-")[1 + name.startswith("vit") :][:2])
        assert depth(arch) == 2 + 4 * layers, "queries, keys and values are side by side"
        assert width(arch) == 2 * features


@pytest.mark.parametrize(
    ("method", "policy"), [("weight-norms", POLICIES[0]), ("weight-norms", POLICIES[1]), ("weight-stats", POLICIES[0])]
)
def test_a_method_learns_from_some_and_is_asked_about_others(
    zoo: wb.Zoo, method: str, policy: str, tmp_path: Path
) -> None:
    (result,) = wb.run(method, task="property", zoo=zoo, target="sum_of_squares", split=policy, out=tmp_path / "runs")
    assert result.status == "ok", result.error
    parts = zoo.with_splits(policy).splits
    assert (result.zoo.n_train, result.zoo.n_val, result.zoo.n_test) == tuple(len(split) for split in parts.values())
    assert sum(len(split) for split in parts.values()) == 240
    (path,) = [path for path, _ in read_results(tmp_path / "runs")]
    ids, _ = read_predictions(path.with_name(result.predictions.file), result.predictions.sha256)
    assert sorted(ids) == sorted(parts["test"].ids)
    for one, other in combinations(parts.values(), 2):
        assert not set(one.table["architecture"]) & set(other.table["architecture"])
        assert not set(one.ids) & set(other.ids)
    (title,) = wb.boards(tmp_path / "runs")
    assert title == f"property of sum_of_squares ({policy}) on planted@1.0.0"


def test_another_process_gets_the_same_splits(zoo: wb.Zoo) -> None:
    task = load_task("property", zoo, target="answer", split="across-depths")
    again = pickle.loads(pickle.dumps(task))
    assert {name: split.ids for name, split in again.splits.items()} == {n: s.ids for n, s in task.splits.items()}
    assert np.array_equal(again.targets(again.splits["test"]), task.targets(task.splits["test"]))


def test_too_few_kinds_and_wrong_names_are_refused(zoo: wb.Zoo, small_zoo: Path) -> None:
    with pytest.raises(wb.BadInput, match="zoo planted has 1 families of architectures: across-families takes three"):
        load_task("property", zoo, target="answer", split="across-families")
    with pytest.raises(wb.BadInput, match="zoo digits-inrs has 1 depths of architectures"):
        load_task("inr-classification", small_zoo, split="across-depths")
    with pytest.raises(wb.BadInput, match="did you mean across-depths"):
        load_task("property", zoo, target="answer", split="across-depth")
