"""Cells: records, resuming, failures, plug-ins by path, and scores that come from the predictions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from helpers.recorded import read_results

import weightbench as wb
from weightbench.benchmarks.records.results_folder import read_result

PLUGIN = '''
import torch
import weightbench as wb

class Nearest(wb.Method):
    """The class of the nearest training network."""
    name = "nearest"
    tasks = ("inr-classification",)
    power: float = 2.0

    def fit(self, task, train, val, *, seed, device):
        self.known, self.labels, self.n = train.networks.params, task.targets(train), task.output_dim

    def predict(self, networks):
        nearest = torch.cdist(networks.params, self.known, p=self.power).argmin(1)
        return torch.nn.functional.one_hot(self.labels[nearest], self.n).float()
'''
BROKEN = """
import torch
import weightbench as wb

class Broken(wb.Method):
    name = "broken"
    tasks = ("inr-classification", "inr-dilation")
    how: str = "raise"

    def fit(self, task, train, val, *, seed, device):
        self.n = task.output_dim
        if self.how == "raise":
            raise RuntimeError("no\\nluck <b>today</b>")

    def predict(self, networks):
        logits = torch.zeros(len(networks), self.n)
        if self.how == "nan":
            logits[0, 0] = float("nan")
        if self.how == "shape":
            return logits[:, 1:]
        return "text" if self.how == "type" else logits
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine" / "nearest.py"
    path.parent.mkdir()
    path.write_text(PLUGIN)
    return path


def test_a_method_in_a_users_file_runs_by_path(plugin: Path, small_zoo: Path, tmp_path: Path, cli) -> None:
    out = tmp_path / "runs"
    arguments = ("run", plugin, "--task", "inr-classification", "--zoo", small_zoo, "--out", out, "--seeds", "0,1")
    code, text, _ = cli(*arguments, "-p", "power=1")
    assert code == 0
    assert "nearest (power=1.0)" in text
    results = read_results(out)
    assert [result.seed for _, result in results] == [0, 1]
    path, result = results[0]
    assert path.relative_to(out).parts[:3] == ("inr-classification", "digits-inrs", "nearest")
    assert result.method.params == {"power": 1.0}
    assert result.symmetry is not None
    assert result.symmetry.permutation > 0.1
    assert result.cost is not None
    assert result.cost.predict_networks_per_s > 0
    assert "nearest" in (out / "board" / "index.html").read_text()
    before = {path: path.stat().st_mtime_ns for path, _ in results}
    code, text, err = cli(*arguments, "-p", "power=1")
    assert "(kept)" in err
    assert {path: path.stat().st_mtime_ns for path, _ in read_results(out)} == before
    (path.with_suffix(".safetensors")).unlink()
    cli(*arguments, "-p", "power=1")
    assert path.with_suffix(".safetensors").exists(), "a cell without its predictions runs again"


def test_the_score_is_that_of_the_predictions(small_zoo: Path, tmp_path: Path, plugin: Path) -> None:
    zoo = wb.load_zoo(small_zoo)
    result = wb.run(wb.load_method(str(plugin)), task="inr-classification", zoo=zoo, out=tmp_path / "runs")[0]
    test, train = zoo["test"], zoo["train"]
    nearest = torch.cdist(test.networks.params, train.networks.params).argmin(1)
    right = train.table["label"].to_numpy()[nearest] == test.table["label"].to_numpy()
    assert result.score == pytest.approx(100 * right.mean())
    boards = wb.boards(tmp_path / "runs")
    assert list(boards) == ["inr-classification on digits-inrs@1.0.0"]
    assert boards["inr-classification on digits-inrs@1.0.0"]["score"].tolist() == [pytest.approx(result.score)]


def test_the_unedited_networks_score_as_the_images_say(small_zoo: Path, tmp_path: Path) -> None:
    class Unedited(wb.Method):
        name = "unedited"
        tasks = ("inr-dilation",)

        def fit(self, task, train, val, *, seed, device) -> None: ...

        def predict(self, networks):
            return networks

    zoo = wb.load_zoo(small_zoo)
    result = wb.run(Unedited, task="inr-dilation", zoo=zoo, out=tmp_path / "runs")[0]
    dilated = torch.nn.functional.max_pool2d(zoo.images("test")[:, None], 3, 1, 1)[:, 0]
    rendered = wb.render(zoo["test"].networks, zoo.source.image_shape)
    # Renderings are stored as bytes.
    assert result.score == pytest.approx(100 * (rendered - dilated).square().mean().item(), rel=1e-3)
    assert wb.boards(tmp_path / "runs")["inr-dilation on digits-inrs@1.0.0"]["score"][0] == pytest.approx(result.score)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("raise", "RuntimeError: no luck <b>today</b>"),
        ("nan", "NaN or infinity for 1 of 24"),
        ("shape", "expected a tensor of shape (24, 10)"),
        ("type", "predict returned a str"),
    ],
)
def test_a_failing_method_fails_its_own_cell(
    how: str, reason: str, small_zoo: Path, tmp_path: Path, plugin: Path, cli
) -> None:
    broken, out = tmp_path / "broken.py", tmp_path / "runs"
    broken.write_text(BROKEN.replace('"raise"\n', f'"{how}"\n', 1))
    code, _, err = cli("run", broken, plugin, "--task", "inr-classification", "--zoo", small_zoo, "--out", out)
    assert code == 1
    assert "1 of 2 cells failed" in err
    statuses = {result.method.name: result for _, result in read_results(out)}
    assert statuses["nearest"].status == "ok"
    assert statuses["broken"].status == "failed"
    assert statuses["broken"].score is None
    # predict is first asked for 64 networks at the most: here all 24
    assert reason in (statuses["broken"].error or "")
    page = (out / "board" / "index.html").read_text()
    assert "broken" in page
    assert "<b>today" not in page
    assert "failed" in (out / "board" / "README.md").read_text().lower()
    assert list(out.glob("*/*/broken/*/seed-0.traceback.txt"))


def test_an_editing_task_refuses_logits(small_zoo: Path, tmp_path: Path, cli) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(BROKEN.replace('"raise"\n', '"none"\n', 1))
    code, text, _ = cli("run", broken, "--task", "inr-dilation", "--zoo", small_zoo, "--out", tmp_path / "runs")
    assert code == 1
    assert "expected 24 edited Networks" in text


@pytest.mark.parametrize("what", ["predictions", "record", "claim", "renderings"])
def test_tampered_evidence_is_found(what: str, small_zoo: Path, tmp_path: Path, cli) -> None:
    from weightbench.benchmarks.records.predictions import read_predictions, write_predictions

    out = tmp_path / "runs"
    wb.run(wb.load_method("mlp", epochs=1), task="inr-dilation", zoo=small_zoo, out=out)
    path, result = read_results(out)[0]
    predictions = path.with_suffix(".safetensors")
    record = json.loads(path.read_text())
    honest = result.score
    if what == "predictions":
        predictions.write_bytes(predictions.read_bytes()[:-1] + b"x")
    elif what == "record":
        record["cost"]["fit_s"] = "fast"
    elif what == "claim":
        record["score"] = 0.01
    else:
        ids, arrays = read_predictions(predictions, record["predictions"]["sha256"])
        arrays["pixels"] = arrays["pixels"][:, :-1]
        record["predictions"]["sha256"] = write_predictions(predictions, ids, arrays)
    path.write_text(json.dumps(record))
    if what == "claim":  # the board shows what the predictions give, and says so
        with pytest.warns(UserWarning, match="claims 0.01"):
            boards = wb.boards(out)
        assert boards["inr-dilation on digits-inrs@1.0.0"]["score"][0] == pytest.approx(honest)
        return
    code, _, err = cli("leaderboard", "--results", out)
    assert code == 2
    assert err.count("\n") == 1
    assert str(path) in err or str(predictions) in err
    assert {"predictions": "sha256", "record": "cost.fit_s", "renderings": "the array pixels should have"}[what] in err


def test_records_survive_a_round_trip(small_zoo: Path, tmp_path: Path) -> None:
    result = wb.run(wb.load_method("weight-stats", trees=2), task="inr-classification", zoo=small_zoo, out=tmp_path)[0]
    path = tmp_path / f"inr-classification/digits-inrs/weight-stats/{result.spec.hash}/seed-0.json"
    assert read_result(path) == result
    assert result.environment["threads"] == torch.get_num_threads()
    assert result.environment["jobs"] == 1
    assert set(json.loads(path.read_text())) == {
        "schema", "task", "zoo", "method", "seed", "trial", "status", "error", "selection", "budget", "score", "scores",
        "symmetry", "predictions", "cost", "curves", "environment", "finished",
    }  # fmt: skip


def test_a_board_is_ready_with_its_last_cell(small_zoo: Path, tmp_path: Path, cli) -> None:
    suite, out = tmp_path / "two.toml", tmp_path / "runs"
    methods = 'methods = [{ name = "weight-stats", trees = 3 }, { name = "weight-stats", trees = 4 }]'
    runs = "".join(
        f'[[runs]]\nzoo = "{small_zoo}"\n{task}\n{methods}\n'
        for task in ('task = "property"\ntarget = "psnr"', 'task = "inr-classification"')
    )
    suite.write_text(f'description = "Two boards"\n{runs}')
    heard: list[object] = []
    wb.run(
        suite=str(suite),
        out=out,
        tell=lambda line: heard.append("cell"),
        ready=lambda found: heard.append([(result.task.name, result.method.params["trees"]) for result in found]),
    )
    assert heard == [
        *("cell", "cell", [("property", 3), ("property", 4)]),
        *("cell", "cell", [("inr-classification", 3), ("inr-classification", 4)]),
    ]
    code, text, _ = cli("run", "--suite", suite, "--out", out)
    assert code == 0
    titles = [text.index("property of psnr on"), text.index("inr-classification on"), text.index("index.html")]
    assert titles == sorted(titles)
    assert text.count(" on digits-inrs@") == 2  # each once


def test_a_damaged_record_beside_a_run_is_told_of_when_all_is_done(small_zoo: Path, tmp_path: Path, cli) -> None:
    arguments = ("run", "--task", "property", "--target", "psnr", "--zoo", small_zoo, "--out", tmp_path)
    assert cli(*arguments, "weight-norms")[0] == 0
    [(path, _)] = read_results(tmp_path)
    damaged = path.with_name("seed-7.json")
    damaged.write_text("{")
    code, _, err = cli(*arguments, "constant", "--seeds", "0,1")
    assert code == 2
    assert str(damaged) in err
    assert err.count("error:") == 1
    assert len(list(tmp_path.glob("*/*/constant/*/seed-?.json"))) == 2
