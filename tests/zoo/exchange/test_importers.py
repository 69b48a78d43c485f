"""Importing what the field has: every published layout, exactly, and nothing that is not plain tensors."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from helpers.published_formats import (
    Original,
    write_dwsnets_fmnist,
    write_dwsnets_mnist,
    write_modelzoo,
    write_nfn,
    write_small_cnn_zoo,
)

import weightbench as wb
from weightbench.zoo.build.twins import check_twins
from weightbench.zoo.networks.networks import Networks
from weightbench.zoo.storage.zoo import Zoo

WRITERS = {
    "dwsnets": write_dwsnets_mnist,
    "dwsnets-fmnist": write_dwsnets_fmnist,
    "nfn": lambda folder: write_nfn(folder, list(range(14))),
    "small-cnn-zoo": write_small_cnn_zoo,
    "modelzoo": write_modelzoo,
}


def check_exact(zoo: Zoo, originals: dict[str, Original]) -> None:
    """Every imported network computes what its original does, up to float64's rounding."""
    seen = set()
    for split in zoo.splits.values():
        start = 0
        for networks in split.groups:
            x = torch.randn(5, *networks.arch.input_shape, generator=torch.Generator().manual_seed(0)).double()
            outputs = Networks(networks.arch, networks.params.double()).forward(x)
            for output, file in zip(outputs, split.table["file"].iloc[start:], strict=False):
                with torch.no_grad():
                    torch.testing.assert_close(output, originals[file].double()(x), atol=1e-10, rtol=1e-10)
                originals[file].float()
                seen.add(file)
            start += len(networks)
    assert seen == set(originals)


def sides(zoo: Zoo, column: str) -> list[set[object]]:
    return [set(split.table[column]) for split in zoo.splits.values()]


@pytest.mark.parametrize("layout", list(WRITERS))
def test_published_layouts_are_read_exactly(layout: str, tmp_path: Path) -> None:
    originals = WRITERS[layout](tmp_path / "published")
    zoo = wb.import_zoo(layout.removesuffix("-fmnist"), tmp_path / "published", name="mine", out=tmp_path / "zoo")
    check_exact(zoo, originals)
    check_twins(zoo)
    assert [len(split) > 0 for split in zoo.splits.values()] == [True] * 3
    group = "run" if "run" in zoo.manifest.columns else "item"
    for first in range(3):
        for second in range(first):
            assert not sides(zoo, group)[first] & sides(zoo, group)[second]
    assert set(zoo.manifest.columns) == {*zoo["train"].table.columns, "params"} - {"architecture"}
    assert not list(tmp_path.glob(".*"))
    assert (zoo.folder / "picture.png").exists()
    assert zoo.name in (zoo.folder / "README.md").read_text()


def test_dwsnets_keeps_the_data_sets_test_images_and_renders(tmp_path: Path) -> None:
    originals = write_dwsnets_mnist(tmp_path / "published")
    zoo = wb.import_zoo("dwsnets", tmp_path / "published", name="mine", out=tmp_path / "zoo")
    assert set(zoo["test"].table["part"]) == {"test"}
    assert {*zoo["train"].table["part"], *zoo["val"].table["part"]} == {"train"}
    row = zoo["test"].table.iloc[3]
    assert f"_testing_{row['label']}_{row['item']}/" in row["file"]
    assert zoo.source.classes == [str(number) for number in range(10)]
    ticks = torch.linspace(-1, 1, 28)
    x, y = torch.meshgrid(ticks, ticks, indexing="xy")
    image = originals[row["file"]](torch.stack([x, y], -1).view(-1, 2)).view(28, 28)
    torch.testing.assert_close(zoo.render(zoo["test"].networks)[3], image, atol=1e-5, rtol=1e-5)
    with pytest.raises(wb.BadInput, match="no source images"):
        zoo.images("test")
    with pytest.raises(wb.BadInput, match="needs the columns"):
        wb.load_task("inr-dilation", zoo)


def test_fashion_labels_come_from_the_files(tmp_path: Path) -> None:
    write_dwsnets_fmnist(tmp_path / "published")
    zoo = wb.import_zoo("dwsnets", tmp_path / "published", name="mine", out=tmp_path / "zoo")
    table = pd.concat([split.table for split in zoo.splits.values()])
    assert (table["label"] == table["item"] % 10).all()
    assert len(zoo.source.classes) == 10


def test_nfn_copies_stay_together_and_its_splits_are_by_index(tmp_path: Path) -> None:
    originals = write_nfn(tmp_path / "published", [3, 7, 44_999, 45_000, 49_999, 50_000, 59_999])
    zoo = wb.import_zoo("nfn", tmp_path / "published", name="mine", out=tmp_path / "zoo")
    assert [sorted(side) for side in sides(zoo, "item")] == [[3, 7, 44_999], [45_000, 49_999], [50_000, 59_999]]
    assert sorted(zoo["val"].table["copy"]) == [0, 0, 1, 1, 2, 2]
    check_exact(zoo, originals)
    ticks = torch.linspace(-1, 1, 28)
    row, column = torch.meshgrid(ticks, ticks, indexing="ij")
    image = originals[zoo["val"].table["file"].iloc[1]](torch.stack([row, column], -1).view(-1, 2)).view(28, 28)
    torch.testing.assert_close(zoo.render(zoo["val"].networks)[1], (image + 1) / 2, atol=1e-5, rtol=1e-5)


def test_colour_inrs_render_in_colour(tmp_path: Path) -> None:
    write_nfn(tmp_path / "published", list(range(14)), copies=0, channels=3)
    zoo = wb.import_zoo("nfn", tmp_path / "published", name="mine", out=tmp_path / "zoo")
    assert zoo.render(zoo["val"].networks).shape == (1, 32, 32, 3)


def test_small_cnn_zoo_has_its_table(tmp_path: Path) -> None:
    write_small_cnn_zoo(tmp_path / "published/mnist")
    zoo = wb.import_zoo("small-cnn-zoo", tmp_path / "published", name="mine", out=tmp_path / "zoo")
    assert {arch.num_params for arch in zoo.architectures} == {4970}
    assert {str(arch).split()[-1] for arch in zoo.architectures} == {"relu", "tanh"}
    table = zoo["train"].table
    assert sorted(table["epoch"].unique()) == [0, 1, 20, 86]
    assert (table.groupby("run").size() == 4).all()
    expected = 0.01 * table["epoch"] + table["run"] / 1000
    assert table["test_accuracy"].to_numpy() == pytest.approx(expected.to_numpy())
    assert zoo.manifest.sources[0].license == "CC-BY 4.0"


def test_modelzoo_has_its_figures_by_epoch(tmp_path: Path) -> None:
    write_modelzoo(tmp_path / "published")
    zoo = wb.import_zoo("modelzoo", tmp_path / "published", name="mine", out=tmp_path / "zoo")
    table = pd.concat([split.table for split in zoo.splits.values()])
    assert table["test_accuracy"].to_numpy() == pytest.approx(table["epoch"].to_numpy() / 100)
    assert table["train_accuracy"].isna().equals(table["epoch"] == 0)
    assert len(zoo.architectures) == 4  # two shapes with two activations each
    assert "1 trials without checkpoints were left out" in zoo.manifest.recipe["assumed"]


def test_an_imported_zoo_is_an_ordinary_zoo(tmp_path: Path, cli) -> None:
    write_nfn(tmp_path / "published", list(range(20)), copies=0)
    shutil.make_archive(str(tmp_path / "packed"), "gztar", tmp_path / "published")
    code, out, err = cli("zoo", "import", "nfn", tmp_path / "packed.tar.gz", "--name", "my-inrs")
    assert (code, err) == (0, "")
    assert "Zoo(my-inrs@1.0.0" in out
    assert wb.load_zoo("my-inrs")["train"].table["file"].str.startswith("randinit_smaller").all()
    for command in (("info", "my-inrs"), ("verify", "my-inrs@1.0.0")):
        code, out, _ = cli("zoo", *command)
        assert code == 0
        assert "my-inrs@1.0.0" in out
    code, _, err = cli("zoo", "verify", "my-inrs", "--rescore", 4)
    assert (code, "was imported" in err) == (2, True)
    code, _, err = cli("zoo", "import", "nfn", tmp_path / "packed.tar.gz", "--name", "my-inrs")
    assert (code, "is there already" in err, err.count("\n")) == (2, True, 1)
    again = wb.import_zoo("nfn", tmp_path / "published", name="my-inrs", out=tmp_path / "again")
    assert again.manifest == wb.load_zoo("my-inrs").manifest  # folder or archive, the same zoo


def test_what_a_killed_import_left_does_no_harm(tmp_path: Path) -> None:
    write_nfn(tmp_path / "published", list(range(14)), copies=0)
    (tmp_path / ".zoo.importing/zoo/data").mkdir(parents=True)
    (tmp_path / ".zoo.importing/zoo/data/train.parquet").write_text("half of it")
    zoo = wb.import_zoo("nfn", tmp_path / "published", name="mine", out=tmp_path / "zoo")
    check_twins(zoo)
    assert not (tmp_path / ".zoo.importing").exists()


def test_networks_that_are_twins_are_kept_once_and_nan_only_when_asked(tmp_path: Path) -> None:
    originals = write_nfn(tmp_path / "published", list(range(14)), copies=0)
    first, second, third = (tmp_path / "published" / name for name in sorted(originals)[:3])
    state = torch.load(first, weights_only=True)
    order = torch.randperm(32)
    state["net.0.linear.weight"], state["net.0.linear.bias"] = (
        state[f"net.0.linear.{name}"][order] for name in ("weight", "bias")
    )
    state["net.1.linear.weight"] = state["net.1.linear.weight"][:, order]
    torch.save(state, second)
    state["net.1.linear.bias"][5] = torch.nan
    torch.save(state, third)
    with pytest.raises(wb.BadInput, match=r"has NaN or infinite weights: .*--drop-diverged"):
        wb.import_zoo("nfn", tmp_path / "published", name="mine", out=tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()
    zoo = wb.import_zoo("nfn", tmp_path / "published", name="mine", out=tmp_path / "zoo", drop_diverged=True)
    assert zoo.manifest.dropped.duplicates == 1
    assert len(zoo.manifest.dropped.diverged) == 1
    assert sum(zoo.manifest.splits.values()) == 12
