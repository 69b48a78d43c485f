"""Builds of every standard zoo from shrunk recipes and small raw data; divergence, duplicates, checkpoints, seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.counted_work import shrunk

from weightbench.runtime.errors import BadInput
from weightbench.zoo.build.build_plan import BuildPlan
from weightbench.zoo.build.build_zoo import build_zoo
from weightbench.zoo.build.rescore import rescore
from weightbench.zoo.recipes.catalogue import catalogue_entry, read_entry, zoo_names
from weightbench.zoo.recipes.raw_data import load_source
from weightbench.zoo.recipes.run_recipe import RunRecipe


@pytest.mark.parametrize("name", zoo_names())
def test_every_standard_zoo_builds_and_its_figures_come_from_its_weights(
    name: str, sources: Path, tmp_path: Path, eager: None
) -> None:
    entry = catalogue_entry(name)
    out = tmp_path / "zoo"
    zoo = build_zoo(str(shrunk(name, tmp_path)), limit=10, out=out, device="cpu", source_dir=sources)
    assert (zoo.name, list(zoo.splits)) == (name, ["train", "val", "test"])
    assert zoo.version == ("1.0.0" if set(entry.sources) <= {"digits", "moons"} else "1.0.0+local")
    assert zoo.manifest.dropped.diverged == []
    differences = rescore(zoo, rows=12, source_dir=sources)
    assert differences
    assert (out / "picture.png").read_bytes().startswith(b"\x89PNG")
    card = (out / "README.md").read_text()
    assert all(file.sha256 in card for file in zoo.manifest.files)
    if isinstance(entry.recipe, RunRecipe):
        runs = [set(split.table["run"]) for split in zoo.splits.values()]
        assert sum(map(len, runs)) == len(set.union(*runs)) == 10
        assert set(zoo["train"].table["epoch"]) == set(zoo.manifest.recipe.get("checkpoints", range(5)))
        assert ("within_run" in zoo.manifest.columns) == (entry.recipe.checkpoints is None)
    else:
        assert sum(len(set(split.table["item"])) for split in zoo.splits.values()) == 10
        rendered, images = zoo.render(zoo["val"].networks), zoo.images("val")
        psnr = -10 * (rendered - images).square().flatten(1).mean(1).log10()
        np.testing.assert_allclose(psnr, zoo["val"].table["psnr"], atol=1e-3)


def test_a_snapshot_zoo_holds_both_kinds_of_splits(tmp_path: Path, eager: None) -> None:
    path = shrunk("moons-mlps", tmp_path, epochs="19", batch_size="250")
    zoo = build_zoo(str(path), limit=10, out=tmp_path / "zoo", device="cpu")
    assert {name: len(split) for name, split in zoo.splits.items()} == {"train": 120, "val": 40, "test": 40}
    within = zoo.with_splits("within-run")
    assert {name: len(split) for name, split in within.splits.items()} == {"train": 140, "val": 20, "test": 40}
    for split in within.splits.values():
        assert len(set(split.table["run"])) == 10
        assert len(split.networks) == len(split.table) == len(split)
        assert set(split.table["within_run"]) == {split.name}
    ids = [set(split.ids) for split in within.splits.values()]
    assert len(set.union(*ids)) == sum(map(len, ids)) == 200
    test = within["test"]
    where = {name: row for row, name in enumerate(zoo["train"].ids)}
    shared = [(i, where[name]) for i, name in enumerate(test.ids) if name in where]
    assert shared
    for mine, theirs in shared:
        assert torch.equal(test.networks.params[mine], zoo["train"].networks.params[theirs])
    assert repr(zoo.with_splits("across-runs")) == repr(zoo)
    with pytest.raises(BadInput, match="did you mean within-run"):
        zoo.with_splits("within-runs")


@pytest.mark.parametrize(
    ("name", "changes"),
    [("moons-mlps", {"epochs": "1"}), ("digits-inrs", {"splits": "{ train = 9, val = 2, test = 4 }"})],
)
def test_an_entry_knows_what_identifies_its_whole_build(
    name: str, changes: dict[str, str], tmp_path: Path, eager: None
) -> None:
    """Without torch and without a build: so the board tells a whole zoo from a part, another seed, other data."""
    path = shrunk(name, tmp_path, **changes)
    entry = read_entry(path)
    whole = build_zoo(str(path), out=tmp_path / "whole", device="cpu")
    assert whole.manifest.recipe_sha256 == entry.recipe_sha256
    part = build_zoo(str(path), limit=3, out=tmp_path / "part", device="cpu")
    seeded = build_zoo(str(path), limit=3, seed=7, out=tmp_path / "seeded", device="cpu")
    assert len({zoo.manifest.recipe_sha256 for zoo in (whole, part, seeded)}) == 3


def test_losses_fall_and_initial_states_are_kept(tmp_path: Path, eager: None) -> None:
    zoo = build_zoo(str(shrunk("moons-mlps", tmp_path)), limit=20, out=tmp_path / "zoo", device="cpu")
    table = zoo["train"].table
    first, last = (table[table["epoch"] == epoch].set_index("run")["train_loss"] for epoch in (0, 4))
    assert (last < first).all()
    builder = BuildPlan(read_entry(tmp_path / "moons-mlps.toml"), None, None, "cpu", None).builder()
    run = builder.runs[int(table["run"].iloc[0])]  # type: ignore[attr-defined]
    assert np.array_equal(builder.initial([run])[0], zoo["train"].networks.params[0].numpy())  # type: ignore[attr-defined]


def test_checkpoints_far_apart(tmp_path: Path, eager: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments without a checkpoint in between, and a second build that finds them all done."""
    monkeypatch.setattr("weightbench.zoo.training.run_builder.SEGMENT_EPOCHS", 2)
    path = shrunk("moons-mlps", tmp_path, epochs="9\ncheckpoints = [5, 9]")
    monkeypatch.setattr("weightbench.zoo.build.build_zoo._store", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        build_zoo(str(path), limit=3, out=tmp_path / "zoo", device="cpu")
    monkeypatch.undo()
    monkeypatch.setattr("weightbench.zoo.training.run_builder.SEGMENT_EPOCHS", 2)
    monkeypatch.setattr("weightbench.zoo.build.build_plan.compiler", lambda: "eager")
    monkeypatch.setattr("weightbench.zoo.training.run_builder.RunBuilder.fit", lambda *_: pytest.fail("trained again"))
    zoo = build_zoo(str(path), limit=3, out=tmp_path / "zoo", device="cpu")
    assert zoo["train"].table["epoch"].tolist() == [5, 9]


@pytest.mark.parametrize("name", ["digits-inrs", "mnist-cnns"])
def test_initial_parameters_do_not_depend_on_limit_or_company(name: str, sources: Path) -> None:
    entry = catalogue_entry(name)
    loaded = {source: load_source(source, sources) for source in entry.sources}
    whole, part = (BuildPlan(entry, limit, None, "cpu", None).builder(loaded) for limit in (None, 30))
    members = [member for members in part.members.values() for member in members]
    among = {member for members in whole.members.values() for member in members}
    assert set(members) <= among
    together = part.initial(members)  # type: ignore[attr-defined]
    for position in (0, 7, len(members) - 1):
        assert np.array_equal(whole.initial([members[position]])[0], together[position])  # type: ignore[attr-defined]
    assert len(np.unique(together, axis=0)) == len(members)
    seeded = BuildPlan(entry, 30, 1, "cpu", None).builder(loaded)
    other = [member for members in seeded.members.values() for member in members]
    assert not np.array_equal(seeded.initial(other[:1]), together[:1])  # type: ignore[attr-defined]


def test_a_build_with_another_seed_has_its_own_folder(tmp_path: Path) -> None:
    path = shrunk("moons-mlps", tmp_path, epochs="4\nseed = 3")
    folders = [build_zoo(str(path), limit=3, seed=seed, device="cpu").folder.name for seed in (None, 0, 3)]
    assert folders == ["moons-mlps@1.0.0-limit-3", "moons-mlps@1.0.0-limit-3-seed-0", "moons-mlps@1.0.0-limit-3"]


def test_networks_that_diverge_are_kept_out_and_named(tmp_path: Path, eager: None, cli) -> None:
    path = shrunk(
        "moons-mlps", tmp_path, lr="[1e-3, 1e30]", optimizer='"sgd"', splits="{ train = 6, val = 2, test = 2 }"
    )
    zoo = build_zoo(str(path), out=tmp_path / "zoo", device="cpu")
    diverged = zoo.manifest.dropped.diverged
    assert diverged
    tables = [split.table for split in zoo.splits.values()]
    assert not set(diverged) & {name for table in tables for name in table["id"]}
    assert all(torch.isfinite(split.networks.params).all() for split in zoo.splits.values())
    assert f"{len(diverged)} that diverged" in (zoo.folder / "README.md").read_text()
    hopeless = shrunk(
        "moons-mlps", tmp_path, lr="[1e30, 2e30]", checkpoints="[4]", splits="{ train = 6, val = 2, test = 2 }"
    )
    hopeless.write_text(hopeless.read_text().replace("epochs = 4", "epochs = 4\ncheckpoints = [4]"))
    code, _, err = cli("zoo", "build", hopeless, "--out", tmp_path / "none", "--device", "cpu")
    assert (code, "every network diverged" in err, err.count("\n")) == (2, True, 1)
    assert not (tmp_path / "none" / "zoo.json").exists()


def test_snapshots_that_do_not_change_are_dropped_and_counted(tmp_path: Path, eager: None) -> None:
    path = shrunk("moons-mlps", tmp_path, lr="[1e-3, 1e-30]", splits="{ train = 6, val = 2, test = 2 }")
    zoo = build_zoo(str(path), out=tmp_path / "zoo", device="cpu")
    assert zoo.manifest.dropped.duplicates == 5 * 4
    assert sum(zoo.manifest.splits.values()) == 10 * 5 - 20
