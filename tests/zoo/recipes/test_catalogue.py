"""The standard zoos, and how a zoo on this machine is found by its name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from helpers.counted_work import shrunk

import weightbench as wb
from weightbench.zoo.build.build_zoo import build_zoo
from weightbench.zoo.recipes.catalogue import catalogue, catalogue_entry, default_folder
from weightbench.zoo.recipes.run_recipe import RunRecipe


def test_the_catalogue_is_as_the_documents_say() -> None:
    sizes = [arch.num_params for arch in catalogue_entry("covertype-mlps").recipe.architectures.values()]
    assert max(sizes) / min(sizes) <= 1.02
    for name in ("mnist-cnns", "cifar10-gs-cnns"):  # the Small CNN Zoo's network
        assert {arch.num_params for arch in catalogue_entry(name).recipe.architectures.values()} == {4970}
    assert catalogue_entry("cifar10-gs-cnns").splits["test"] >= 100
    assert catalogue_entry("digits-mlps").networks >= 3000
    assert sum(catalogue_entry("mnist-cnns").splits.values()) >= 2000
    for entry in catalogue():
        if isinstance(entry.recipe, RunRecipe) and entry.recipe.checkpoints is None:
            assert 200 <= entry.recipe.epochs <= 250
            assert sum(entry.splits.values()) >= 10


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


def test_an_ordinary_folder_here_does_not_hide_the_zoo_of_its_name(
    small_zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli
) -> None:
    """Results of a zoo often lie in a folder of its name."""
    monkeypatch.setenv("WEIGHTBENCH_CACHE", str(tmp_path / "cache"))
    in_cache = tmp_path / "cache" / "zoos" / "digits-inrs@1.0.0"
    shutil.copytree(small_zoo, in_cache)
    monkeypatch.chdir(tmp_path)
    for name in ("digits-inrs", "digits-inrs@1.0.0", "notes"):
        (tmp_path / name).mkdir()
    assert wb.load_zoo("digits-inrs").folder == in_cache
    assert wb.load_zoo("digits-inrs@1.0.0").folder == in_cache
    assert cli("zoo", "info", "digits-inrs")[0] == 0
    for path in ("./digits-inrs", "notes"):
        with pytest.raises(wb.BadInput, match=r"zoo.json: missing, so .* is not a zoo folder"):
            wb.load_zoo(path)
    shutil.copytree(small_zoo, tmp_path / "digits-inrs", dirs_exist_ok=True)
    assert wb.load_zoo("digits-inrs").folder.resolve() == tmp_path / "digits-inrs", "a zoo here comes first"
