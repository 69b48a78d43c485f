"""Pictures of results: which are drawn follows from the evidence; damaged or empty evidence is one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import planted_zoo
from PIL import Image

import weightbench as wb

RECORDS = Path(__file__).parents[2] / "fixtures" / "records" / "2"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, small_zoo: Path) -> Path:
    """One result at least of every kind that can be drawn."""
    out = tmp_path_factory.mktemp("runs")
    extra = {"test_accuracy": np.arange(200) / 200}
    zoo = planted_zoo.write_zoo(
        tmp_path_factory.mktemp("zoo"), {"only": planted_zoo.networks((4, 6, 3), 200)}, extra=extra
    )
    brief = wb.load_method("mlp", epochs=3, width=8)
    wb.run(["weight-norms", brief], task="property", zoo=zoo, target="sum_of_squares", out=out)
    wb.run("weight-norms", task="network-classification", zoo=zoo, target="size", out=out)
    wb.run("weight-norms", task="network-retrieval", zoo=zoo, target="size", protocol="representation", out=out)
    wb.run(brief, task="inr-dilation", zoo=small_zoo, seeds=[0, 1], out=out)
    return out


def test_every_kind_of_evidence_has_its_picture(runs: Path, tmp_path: Path, cli) -> None:
    code, out, err = cli("picture", runs, "--out", tmp_path)
    assert code == 0, err
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {
        "inr-dilation-digits-inrs-1.0.0-curves.png",
        "inr-dilation-digits-inrs-1.0.0-edited.png",
        "network-classification-of-size-across-runs-planted-1.0.0-predicted.png",
        "network-retrieval-of-size-across-runs-representation-planted-1.0.0-embedding.png",
        "property-of-sum-of-squares-across-runs-planted-1.0.0-curves.png",
        "property-of-sum-of-squares-across-runs-planted-1.0.0-predicted.png",
    }
    assert out.split() == [str(tmp_path / name) for name in sorted(found, key=out.index)]
    for name in found:
        with Image.open(tmp_path / name) as image:
            assert np.asarray(image.convert("L")).std() > 5, f"{name} is blank"


def test_pictures_of_equal_evidence_are_equal_files(runs: Path, tmp_path: Path, cli) -> None:
    record = next(runs.glob("property/*/mlp/*/seed-0.json"))
    for form in ("svg", "png"):
        for folder in ("a", "b"):
            assert cli("picture", record, "--format", form, "--out", tmp_path / folder)[0] == 0
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    assert len(list((tmp_path / "a").iterdir())) == 4


def test_inrs_before_editing_are_rendered_by_the_part_of_a_zoo_in_the_cache(
    runs: Path, small_zoo: Path, tmp_path: Path, cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for cache in (tmp_path / "empty", tmp_path / "filled"):
        monkeypatch.setenv("WEIGHTBENCH_CACHE", str(cache))
        assert cli("picture", runs / "inr-dilation", "--out", cache / "pictures")[0] == 0
        found.append((cache / "pictures/inr-dilation-digits-inrs-1.0.0-edited.png").read_bytes())
        shutil.copytree(small_zoo, tmp_path / "filled/zoos/digits-inrs@1.0.0-limit-60", dirs_exist_ok=True)
    assert found[0] != found[1]


def test_learning_curves_are_of_every_epoch(runs: Path) -> None:
    from weightbench.benchmarks.records.results_folder import read_result

    result = read_result(next(runs.glob("property/*/mlp/*/seed-0.json")))
    assert result.curves is not None
    assert result.selection is not None
    assert {name: len(values) for name, values in result.curves.items()} == {"train_loss": 3, "val_score": 3}
    assert result.curves["val_score"][result.selection["epoch"] - 1] == pytest.approx(
        result.selection["val_score"], rel=1e-5
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.json",), "nowhere.json: no such file or folder"),
        ((".",), ".: no records there"),
        (("RUNS", "--format", "gif"), "unknown format 'gif'"),
        (("FAILED",), "none of 1 results there succeeded"),
        (("DAMAGED",), "found sha256"),
        (("LONE",), "its content belongs at inr-dilation/digits-inrs/"),
        (("MANY",), "26 results are too many for a picture"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: tuple[str, ...], message: str, runs: Path, tmp_path: Path, cli, monkeypatch
) -> None:
    results = tmp_path / "results"
    shutil.copytree(RECORDS, results)
    damaged = next(results.glob("inr-classification/*/mlp/*/seed-0.json"))
    damaged.with_suffix(".safetensors").write_bytes(b"nothing")
    for seed in range(2, 26):
        record = next(results.glob("inr-dilation/*/*/*/seed-0.json"))
        record.with_name(f"seed-{seed}.json").write_text(record.read_text().replace('"seed": 0', f'"seed": {seed}'))
    lone = shutil.copyfile(record, tmp_path / "seed-0.json")
    places = {
        "LONE": lone,
        "RUNS": runs,
        "FAILED": next(results.glob("*/*/broken/*/seed-0.json")),
        "DAMAGED": damaged,
        "MANY": record.parent,
    }
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    code, out, err = cli("picture", *(places.get(argument, argument) for argument in arguments))
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert list(Path().iterdir()) == []
