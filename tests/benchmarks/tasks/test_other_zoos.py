"""Tasks tested on other zoos too: a score of each beside the first, from predictions, whatever process or clone."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import planted_zoo
from helpers.recorded import read_results
from PIL import Image
from scipy.stats import pearsonr

import weightbench as wb
from weightbench.benchmarks.records.predictions import read_predictions, write_predictions
from weightbench.benchmarks.records.zoo_identity import ZooIdentity
from weightbench.benchmarks.task.registry import load_task
from weightbench.leaderboard.board.board import load_boards
from weightbench.leaderboard.pages.board_files import board_files
from weightbench.leaderboard.pictures.result_pictures import draw_results
from weightbench.zoo.build.build_zoo import build_zoo

STANDARD = Path(__file__).parents[3] / "zoo" / "standard" / "digits-inrs.toml"


class Brighter(wb.Method):
    """Raises the output's bias."""

    name = "brighter"
    tasks = ("inr-dilation",)

    def fit(self, task, train, val, *, seed, device) -> None:
        assert {split.folder.name for split in task.splits.values()} == {"digits-inrs"}

    def predict(self, networks):
        params = networks.params.clone()
        params[:, -1] += 0.1
        return wb.Networks(networks.arch, params)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> wb.Zoo:
    """INRs of the same architecture and other initial values."""
    folder = tmp_path_factory.mktemp("other")
    recipe = STANDARD.read_text().replace('name = "digits-inrs"', 'name = "other-inrs"')
    (folder / "other-inrs.toml").write_text(recipe)
    return build_zoo(str(folder / "other-inrs.toml"), limit=24, seed=1, out=folder / "zoo", device="cpu")


def test_both_zoos_have_a_score_from_their_own_images(small_zoo: Path, other: wb.Zoo, tmp_path: Path) -> None:
    run = {"task": "inr-dilation", "zoo": small_zoo, "also": str(other.folder), "out": tmp_path}
    (result,) = wb.run(Brighter, **run)
    assert result.error is None
    assert result.task.options.also == str(ZooIdentity("other-inrs", "1.0.0", other.manifest.recipe_sha256))
    assert list(result.scores) == ["dilation-mse", "dilation-mse.other-inrs"]
    for zoo, found in zip((wb.load_zoo(small_zoo), other), result.scores.values(), strict=True):
        dilated = torch.nn.functional.max_pool2d(zoo.images("test")[:, None], 3, 1, 1)[:, 0]
        rendered = zoo.render(Brighter().predict(zoo["test"].networks))
        assert found == pytest.approx(100 * (rendered - dilated).square().mean().item(), rel=1e-4)
    ((title, rows),) = wb.boards(tmp_path).items()
    assert title == f"inr-dilation (also on {result.task.options.also}) on digits-inrs@1.0.0"
    assert rows["more"][0] == {"dilation-mse.other-inrs": pytest.approx(result.scores["dilation-mse.other-inrs"])}
    (picture,) = draw_results([tmp_path / "inr-dilation"], tmp_path / "pictures")
    with Image.open(picture) as image:
        assert image.height > 350  # rows for both zoos
    assert wb.run(Brighter, **run) == [result]  # kept
    (plain,) = wb.run(Brighter, task="inr-dilation", zoo=small_zoo, out=tmp_path)
    assert plain.spec.hash != result.spec.hash
    assert plain.score == result.score


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> list[wb.Zoo]:
    """Zoos of other architectures each."""
    folder = tmp_path_factory.mktemp("planted")
    sizes = {"narrow": (4, 6, 3), "wide": (4, 12, 3), "deep": (4, 6, 6, 3)}
    return [
        planted_zoo.write_zoo(folder / name, {"x": planted_zoo.networks(shape, 400, seed)}, name=name)
        for seed, (name, shape) in enumerate(sizes.items())
    ]


def test_values_of_other_architectures_have_scores_and_intervals(planted: list[wb.Zoo], tmp_path: Path) -> None:
    """One list of zoos beside each of them, which leaves itself out."""
    everywhere = ",".join(str(zoo.folder) for zoo in planted)
    for zoo in planted:
        run = {"task": "property", "target": "sum_of_squares", "zoo": zoo.folder, "also": everywhere, "out": tmp_path}
        (result,) = wb.run("weight-stats", **run)
        others = [other for other in planted if other is not zoo]
        assert result.task.options.others == [
            str(ZooIdentity(other.name, "1.0.0", other.manifest.recipe_sha256)) for other in others
        ]
        path = next(tmp_path.rglob(f"property/{zoo.name}/**/seed-0.safetensors"))
        _, arrays = read_predictions(path, result.predictions.sha256)
        (rows,) = (rows for title, rows in wb.boards(tmp_path).items() if title.endswith(f" on {zoo.name}@1.0.0"))
        for other in others:
            true, found = other["test"].table["sum_of_squares"], arrays[f"values.{other.name}"][:, 0]
            name = f"pearson-r.{other.name}"
            assert result.scores[name] == pytest.approx(pearsonr(found, true).statistic)
            low, high = rows["between"][0][name]
            assert -1 < low < rows["more"][0][name] < high < 1
    text = board_files(load_boards(tmp_path))["README.md"]
    table = text.partition("## Transfer: property of sum")[2].split("\n## ")[0].strip().splitlines()[-5:]
    assert table[0] == "| method | learned from | tested on deep | tested on narrow | tested on wide |"
    for zoo, line in zip(("deep", "narrow", "wide"), table[2:], strict=True):
        (rows,) = (rows for title, rows in wb.boards(tmp_path).items() if title.endswith(f" on {zoo}@1.0.0"))
        own, there = rows["score"][0], rows["more"][0]
        shown = [own if name == zoo else there[f"pearson-r.{name}"] for name in ("deep", "narrow", "wide")]
        method, learned_from, *scores = line.strip("| ").split(" | ")
        assert (method, learned_from) == ("weight-stats", zoo)
        assert [text.partition(" (")[0] for text in scores] == [f"{score:.2f}" for score in shown]


def test_a_task_goes_to_other_processes_with_both_zoos(small_zoo: Path, other: wb.Zoo) -> None:
    task = load_task("inr-dilation", small_zoo, also=str(other.folder))
    again = pickle.loads(pickle.dumps(task))
    assert again.options == task.options
    assert [there.zoo.folder for there in again.elsewhere] == [other.folder]


def test_submission_scores_both_anew(small_zoo: Path, other: wb.Zoo, tmp_path: Path, cli) -> None:
    runs, home = tmp_path / "runs", tmp_path / "home"
    wb.run(wb.load_method("mlp", epochs=1), task="inr-dilation", zoo=small_zoo, also=str(other.folder), out=runs)
    submit = ("submit", runs, "--home", home, "--zoo", small_zoo)
    code, _, err = cli(*submit)
    assert code == 2
    assert "other-inrs@1.0.0-" in err
    assert "neither on this machine" in err
    code, _, err = cli(*submit, "--zoo", other.folder)
    assert code == 0, err
    assert len(list((home / "results" / "zoos").iterdir())) == 2
    (before,) = wb.boards(home / "results").values()
    assert before["more"][0].keys() == {"dilation-mse.other-inrs"}
    ((path, result),) = read_results(home / "results")
    ids, arrays = read_predictions(path.with_suffix(".safetensors"), result.predictions.sha256)
    arrays["pixels.other-inrs"] = arrays["pixels.other-inrs"][:, :-1]
    record = json.loads(path.read_text())
    record["predictions"]["sha256"] = write_predictions(path.with_suffix(".safetensors"), ids, arrays)
    path.write_text(json.dumps(record))
    code, _, err = cli("leaderboard", "--results", home / "results")
    assert code == 2
    assert "the array pixels should have the shape (8, 64), found (8, 63)" in err


@pytest.mark.parametrize("also", ["../../secret", "other-inrs@1.0.0-0123456/", "a@1.0.0-xyzxyzxy"])
def test_a_record_cannot_name_a_path(also: str, small_zoo: Path, other: wb.Zoo, tmp_path: Path, cli) -> None:
    wb.run(Brighter, task="inr-dilation", zoo=small_zoo, also=str(other.folder), out=tmp_path / "runs")
    ((path, _),) = read_results(tmp_path / "runs")
    record = json.loads(path.read_text())
    record["task"]["options"]["also"] = also
    path.write_text(json.dumps(record))
    code, _, err = cli("submit", tmp_path / "runs", "--home", tmp_path / "home", "--zoo", small_zoo)
    assert code == 2
    assert "task.options.also" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("task", "also", "message"),
    [
        ("neuron-alignment", "PLANTED", "is tested on one zoo"),
        ("inr-dilation", "fashion-mnist-inr", "did you mean fashion-mnist-inrs"),
        ("inr-dilation", "fashion-mnist-inrs", "weightbench zoo build fashion-mnist-inrs"),
        ("inr-dilation", "nowhere/zoo", "nowhere/zoo"),
        ("inr-dilation", "PLANTED", "not mlp 2-16-16-1 sine"),
    ],
)
def test_wrong_zoos_are_one_line(task: str, also: str, message: str, small_zoo: Path, tmp_path: Path, cli) -> None:
    if also == "PLANTED":
        also = str(planted_zoo.write_zoo(tmp_path / "zoo", {"x": planted_zoo.networks((4, 6, 3), 100)}).folder)
    arguments = ("--task", task, "--zoo", small_zoo, "--also", also, "--out", tmp_path / "runs")
    code, out, err = cli("run", "mlp", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"method": "mlp"}, "method mlp is tied to one architecture, but "),
        ({"target": "sign"}, "task property tells classes of one zoo: leave --also out"),
        ({"target": "only_here"}, "zoo wide has no column only_here, which is asked for"),
        ({"split": "cross-fitted"}, "split cross-fitted is of one zoo, with several fits: leave it or --also out"),
        ({"split": "within-run"}, "split within-run is of one zoo"),
        ({"twice": True}, "--also names two zoos of one name"),
    ],
)
def test_what_cannot_be_asked_of_other_zoos_is_one_line(
    asked: dict, message: str, planted: list[wb.Zoo], tmp_path: Path, cli
) -> None:
    narrow, wide, _ = planted
    asked = {"method": "weight-stats", "target": "sum_of_squares", "split": "across-runs", "twice": False} | asked
    if asked["target"] == "only_here":
        found = {"x": planted_zoo.networks((4, 6, 3), 100)}
        narrow = planted_zoo.write_zoo(tmp_path / "zoo", found, extra={"only_here": np.arange(100)})
    also = [wide.folder]
    if asked["twice"]:
        found = {"x": planted_zoo.networks((4, 5, 3), 100)}
        also.append(planted_zoo.write_zoo(tmp_path / "again", found, name="wide").folder)
    options = ("--target", asked["target"], "--split", asked["split"], "--also", ",".join(map(str, also)))
    arguments = ("--task", "property", "--zoo", narrow.folder, *options, "--out", tmp_path / "runs")
    code, out, err = cli("run", asked["method"], *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()
