"""Builds of every standard zoo: shrunk recipes on small raw data; interruption, divergence, concurrency, bad input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import raw_data as raw
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_work import shrunk

import weightbench as wb
from weightbench.runtime.errors import BadInput
from weightbench.zoo.build.build_plan import BuildPlan
from weightbench.zoo.build.build_zoo import build_zoo
from weightbench.zoo.build.rescore import rescore
from weightbench.zoo.build.twins import check_twins
from weightbench.zoo.networks.fingerprints import fingerprints
from weightbench.zoo.recipes.catalogue import catalogue, catalogue_entry, default_folder, read_entry, zoo_names
from weightbench.zoo.recipes.raw_data import load_digits, load_source
from weightbench.zoo.recipes.recipe import RunRecipe
from weightbench.zoo.recipes.splits import split_items, split_runs

STANDARD = Path(__file__).parents[2] / "zoo" / "standard"


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return raw.write_all(tmp_path_factory.mktemp("raw"))


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without compiling, which would take longer than the fits here."""
    monkeypatch.setattr("weightbench.zoo.build.build_zoo.compiler", lambda: "eager")


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


def test_rescoring_finds_a_wrong_figure_and_other_source_data(
    sources: Path, tmp_path: Path, eager: None, cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo = build_zoo(
        str(shrunk("california-mlps", tmp_path)), limit=3, out=tmp_path / "zoo", device="cpu", source_dir=sources
    )
    code, out, _ = cli("zoo", "verify", zoo.folder, "--rescore", 9, "--source-dir", sources)
    assert (code, "derived anew" in out, "twins" in out) == (0, True, True)
    other = tmp_path / "other"
    raw.write_npz(other / "california_housing/x.npz", X=np.ones((9, 8)), y=np.arange(9.0))
    code, _, err = cli("zoo", "verify", zoo.folder, "--rescore", 9, "--source-dir", other)
    assert (code, "other california-housing data" in err, err.count("\n")) == (2, True, 1)
    zoo["test"].table.loc[:, "test_r2"] += 0.5
    with pytest.raises(BadInput, match="test_r2 is stored as"):
        rescore(zoo, rows=9, source_dir=sources)


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
    monkeypatch.setattr("weightbench.zoo.build.build_zoo.compiler", lambda: "eager")
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


BUILD = """
import sys, torch
from pathlib import Path
from weightbench.zoo import build, runs
torch.set_num_threads(1)
build.compiler = lambda: "eager"
runs.SEGMENT_EPOCHS = 3
build.build_zoo(sys.argv[1], limit=int(sys.argv[3]), out=Path(sys.argv[2]), device="cpu")
"""


@pytest.mark.parametrize(("name", "limit", "kept"), [("digits-inrs", 20, 3), ("moons-mlps", 10, 5)])
def test_a_killed_build_goes_on_and_gives_the_same_zoo(tmp_path: Path, name: str, limit: int, kept: int) -> None:
    path = shrunk(name, tmp_path, steps="200", epochs="24", chunk="{ cpu = 4, cuda = 4 }")

    def build(folder: Path) -> list[str]:
        return [sys.executable, "-c", BUILD, str(path), str(folder), str(limit)]

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(build(whole), check=True, capture_output=True)
    process = subprocess.Popen(build(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shards = tmp_path / ".killed.building"
    while len(list(shards.glob("shards-*/*.safetensors"))) < kept:
        assert process.poll() is None, "the build ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / "zoo.json").exists()
    done = {path: path.stat().st_mtime_ns for path in shards.glob("shards-*/*.safetensors")}
    watcher = subprocess.Popen(build(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while watcher.poll() is None and shards.exists():
        for path, stamp in done.items():
            if path.exists():
                assert path.stat().st_mtime_ns == stamp, "a finished shard was computed again"
        time.sleep(0.05)
    assert watcher.wait() == 0
    assert (killed / "zoo.json").read_bytes() == (whole / "zoo.json").read_bytes()
    assert not shards.exists()


def test_several_processes_build_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With equal threads; a build that two processes began is finished by one."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # of which each of two gets one
    path = shrunk("moons-mlps", tmp_path)
    together = build_zoo(str(path), out=tmp_path / "together", device="cpu", jobs=2)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = build_zoo(str(path), out=tmp_path / "alone", device="cpu")
    finally:
        torch.set_num_threads(before)
    assert together.manifest.build["threads"] == 1
    assert together.manifest_sha256 == alone.manifest_sha256


def test_a_build_with_another_seed_has_its_own_folder(tmp_path: Path) -> None:
    path = shrunk("moons-mlps", tmp_path, epochs="4\nseed = 3")
    folders = [build_zoo(str(path), limit=3, seed=seed, device="cpu").folder.name for seed in (None, 0, 3)]
    assert folders == ["moons-mlps@1.0.0-limit-3", "moons-mlps@1.0.0-limit-3-seed-0", "moons-mlps@1.0.0-limit-3"]


def test_two_builds_of_one_zoo_at_once(tmp_path: Path) -> None:
    """One goes on, the other says so and changes nothing."""
    path = shrunk("moons-mlps", tmp_path, epochs="60")
    command = [sys.executable, "-c", BUILD, str(path), str(tmp_path / "zoo"), "20"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob(".zoo.building/shards-*/*.safetensors")):
        assert first.poll() is None
        time.sleep(0.01)
    second = subprocess.run(
        [
            sys.executable,
            "-m",
            "weightbench",
            "zoo",
            "build",
            str(path),
            "--limit",
            "20",
            "--out",
            str(tmp_path / "zoo"),
        ],
        capture_output=True,
        text=True,
    )
    assert first.poll() is None, "the first build ended too early for this test"
    assert (second.returncode, second.stderr.count("\n")) == (2, 1)
    assert "another process is writing it" in second.stderr
    assert first.wait() == 0
    wb.load_zoo(tmp_path / "zoo")


def test_a_full_disk_leaves_no_zoo_and_the_build_goes_on_later(tmp_path: Path) -> None:
    """No file may grow beyond 200 kB in the first process: shards fit, a split's file does not."""
    path = shrunk("digits-inrs", tmp_path, chunk="{ cpu = 32, cuda = 32 }")
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY)); "
        "from weightbench.zoo import build; build.compiler = lambda: 'eager'; "
        "from weightbench.__main__ import main; main()"
    )
    command = ["zoo", "build", str(path), "--limit", "150", "--out", str(tmp_path / "zoo"), "--device", "cpu"]
    full = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True)
    assert full.returncode == 2, full.stderr
    assert full.stderr.count("\n") == 1
    assert "File too large" in full.stderr
    assert not (tmp_path / "zoo" / "zoo.json").exists()
    shards = list(tmp_path.glob(".zoo.building/shards-*/*.safetensors"))
    assert len(shards) == 19
    program = program.replace("200_000", "resource.RLIM_INFINITY")
    again = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert len(wb.load_zoo(tmp_path / "zoo")["train"]) > 400


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


ARCHITECTURES = {
    "mlp": wb.Architecture.mlp((3, 7, 6, 2)),
    "cnn": wb.Architecture.cnn((2, 9, 9), (5, 4), 3),
    "flat": wb.Architecture.model_validate(
        {
            "input_shape": [1, 6, 6],
            "operations": [
                {"op": "conv2d", "in_channels": 1, "out_channels": 4, "kernel_size": [3, 3]},
                {"op": "activation", "name": "relu"},
                {"op": "conv2d", "in_channels": 4, "out_channels": 4, "kernel_size": [3, 3], "padding": 1},
                {"op": "add", "source": 1},
                {"op": "flatten"},
                {"op": "linear", "in_features": 64, "out_features": 3},
            ],
        }
    ),
}


@pytest.mark.parametrize("kind", ARCHITECTURES)
@given(seed=st.integers(0, 2**31))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_fingerprints_ignore_neuron_order_and_nothing_else(kind: str, seed: int) -> None:
    from weightbench.zoo.networks import symmetry

    arch = ARCHITECTURES[kind]
    generator = torch.Generator().manual_seed(seed)
    networks = wb.Networks(arch, torch.randn(3, arch.num_params, generator=generator))
    before = fingerprints(arch, networks.params.numpy())
    permuted = networks.permuted(symmetry.sample(arch, "permutation", 3, generator))
    assert np.array_equal(fingerprints(arch, permuted.params.numpy()), before)
    assert len(set(before.tolist())) == 3
    changed = networks.params.clone()
    place = int(torch.randint(arch.num_params, (1,), generator=generator))
    changed[0, place] = torch.nextafter(changed[0, place], torch.tensor(9.0))
    after = fingerprints(arch, changed.numpy())
    assert after[0] != before[0]
    assert np.array_equal(after[1:], before[1:])


def test_a_twin_in_two_splits_is_found(small_zoo: Path, tmp_path: Path) -> None:
    from weightbench.zoo.networks import symmetry
    from weightbench.zoo.storage.manifest import MANIFEST
    from weightbench.zoo.storage.tables import TableWriter, describe_file, read_table

    zoo = wb.load_zoo(small_zoo)
    check_twins(zoo)
    train, test = zoo["train"], zoo["test"]
    order = symmetry.sample(train.networks.arch, "permutation", 1, torch.Generator().manual_seed(0))
    smuggled = torch.cat([test.networks.params[1:], train.networks[5].permuted(order).params])
    folder = Path(shutil.copytree(small_zoo, tmp_path / "zoo"))
    (file,) = test.files
    table = read_table(folder, file)
    writer = TableWriter(folder / file.path)
    writer.append(table, {"params": smuggled.numpy()})
    writer.close()
    files = [*train.files, describe_file(folder, file.path, file.split, file.architecture, file.rows)]
    (folder / MANIFEST).write_bytes(zoo.manifest.model_copy(update={"files": files}).to_json())
    with pytest.raises(BadInput, match=rf"train/{train.ids[5]} and test/{test.ids[-1]} .*equal up to the order"):
        check_twins(wb.load_zoo(folder))


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


def test_the_mini_zoo_is_a_part_of_the_whole_one() -> None:
    from dataclasses import replace

    digits = load_digits(None)
    like_mnist = replace(digits, inputs=np.zeros((70_000, 1, 1), np.uint8), n_test=10_000)
    mini, whole = (
        split_items(catalogue_entry(name).splits, like_mnist, "shuffled", None)
        for name in ("mnist-inrs-mini", "mnist-inrs")
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


def test_the_catalogue_is_as_the_documents_say() -> None:
    sizes = [arch.num_params for arch in catalogue_entry("covertype-mlps").recipe.architectures.values()]
    assert max(sizes) / min(sizes) <= 1.02
    assert catalogue_entry("mnist-cnns").recipe.architectures["relu"].num_params == 4970
    assert catalogue_entry("digits-mlps").networks >= 3000
    assert sum(catalogue_entry("mnist-cnns").splits.values()) >= 2000
    for entry in catalogue():
        if isinstance(entry.recipe, RunRecipe) and entry.recipe.checkpoints is None:
            assert 200 <= entry.recipe.epochs <= 250
            assert sum(entry.splits.values()) >= 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("lr = 5e-4", "lr = 5e-4\nmomentum = 0.9"), "recipe.momentum: unknown field"),
        (("lr = 5e-4", "lr = -1"), "recipe.lr: Input should be greater than 0"),
        (("lr = 5e-4\n", ""), "recipe.lr: Field required"),
        (('kind = "inr"', 'kind = "gan"'), "recipe: "),
        (('name = "digits-inrs"', 'name = "digits"'), "should be called digits.toml"),
        (("steps = ", "steps = = "), "not TOML"),
        (('version = "1.0.0"', 'version = "one"'), "version: "),
        (('digits = "', 'digitz = "'), "did you mean digits"),
    ],
)
def test_a_wrong_recipe_file_is_one_line(tmp_path: Path, change: tuple[str, str], message: str, cli) -> None:
    path = tmp_path / "digits-inrs.toml"
    path.write_text((STANDARD / "digits-inrs.toml").read_text().replace(*change))
    code, out, err = cli("zoo", "build", path, "--out", tmp_path / "zoo")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not (tmp_path / "zoo").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": '"adamw"'}, "optimizer 'adamw': there is adam, sgd, rmsprop"),
        ({"lr": "[-1.0]"}, "lr -1.0: a number from 0"),
        ({"lr": "{ uniform = [0.1, 1], choice = [1.0] }"}, "exactly one of"),
        ({"regular": "{ sizes = [2, 5, 2] }\n'deeper (3)' = { sizes = [2, 5, 5, 2] }"}, "String should match"),
        ({"repeats": "7"}, "splits share out 20 runs, the recipe makes 28"),
        ({"batch_size": "2000"}, "batch_size 2000 is more than the 1000 training items"),
        ({"regular": "{ sizes = [3, 5, 2] }"}, "source moons has items of shape (2,), the networks take (3,)"),
    ],
)
def test_a_recipe_of_runs_that_cannot_be_is_one_line(
    tmp_path: Path, changes: dict[str, str], message: str, eager: None, cli
) -> None:
    path = shrunk("moons-mlps", tmp_path, **changes)
    code, out, err = cli("zoo", "build", path, "--device", "cpu", "--limit", 3)
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]
    assert not list(tmp_path.glob("moons-mlps@*"))


@pytest.mark.parametrize(
    ("name", "file", "damage", "message"),
    [
        ("mnist-inrs", "mnist/train-images-idx3-ubyte.gz", "remove", "missing; --source-dir takes"),
        ("mnist-inrs", "mnist/t10k-labels-idx1-ubyte.gz", "truncate", "copy the original file again"),
        ("mnist-inrs", "mnist/t10k-labels-idx1-ubyte.gz", "fewer", "50 labels for 60 images"),
        ("cifar10-cnns", "cifar10/part.npz", "remove", "missing; --source-dir takes"),
        ("cifar10-cnns", "cifar10/part.npz", "truncate", "copy the original file again"),
        ("cifar10-cnns", "cifar10/part.npz", "reshape", "x_train is [200, 8, 8, 3], expected ['N', 32, 32, 3]"),
        ("california-mlps", "california_housing/part.npz", "reshape", "X is [442, 3], expected ['N', 8]"),
        ("imagenet-cnns", "tiny_imagenet_10/test.parquet", "remove", "missing; --source-dir takes"),
        ("imagenet-cnns", "tiny_imagenet_10/test.parquet", "truncate", "copy the original file again"),
        ("imagenet-cnns", "tiny_imagenet_10/test.parquet", "reshape", "an image is [64, 40, 3]"),
    ],
)
def test_damaged_raw_data_are_one_line(
    name: str, file: str, damage: str, message: str, sources: Path, tmp_path: Path, cli
) -> None:
    path = Path(shutil.copytree(sources, tmp_path / "raw")) / file
    if damage == "remove":
        path.unlink()
    elif damage == "truncate":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "fewer":
        raw.write_idx(path, np.zeros(50, np.uint8))
    elif path.suffix == ".parquet":
        images, labels = raw.crops(64)
        raw.write_images(path, images[:5, :, :40], labels[:5])
    else:
        with np.load(path) as content:
            arrays = dict(content)
        key = "x_train" if "x_train" in arrays else "X"
        arrays[key] = arrays[key][:, :8, :8] if key == "x_train" else arrays[key][:, :3]
        raw.write_npz(path, **arrays)
    code, out, err = cli("zoo", "build", name, "--source-dir", tmp_path / "raw", "--out", tmp_path / "zoo")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not (tmp_path / "zoo").exists()


def test_info_of_a_zoo_that_is_not_here_is_its_catalogue_entry(cli) -> None:
    code, text, _ = cli("zoo", "info", "mnist-inrs-nfn")
    assert (code, "not on this machine" in text, "target_range" in text) == (0, True, True)
    assert json.loads(cli("zoo", "info", "mnist-inrs-nfn", "--json")[1])["recipe"]["steps"] == 5000


def test_a_build_from_own_data_is_found_by_its_name(sources: Path, eager: None, cli) -> None:
    """Under the name with +local, and under the bare name where there is no other."""
    entry = catalogue_entry("california-mlps")
    for name in ("california-mlps@1.0.0+local", "california-mlps"):
        assert cli("zoo", "info", name)[1].count("not on this machine") == 1
    home = default_folder(entry).with_name("california-mlps@1.0.0+local")
    path = shrunk("california-mlps", sources)
    build_zoo(str(path), limit=3, out=home, device="cpu", source_dir=sources)
    try:
        for name in ("california-mlps@1.0.0+local", "california-mlps"):
            code, text, _ = cli("zoo", "info", name)
            assert (code, text.startswith("Zoo(california-mlps@1.0.0+local")) == (0, True)
            assert wb.load_zoo(name).version == "1.0.0+local"
        assert cli("zoo", "info", "california-mlps@1.0.0")[1].count("not on this machine") == 1
    finally:
        shutil.rmtree(home)
