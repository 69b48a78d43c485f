"""Tasks about a column: what can be seen is found, what cannot is not, and wrong targets are one clear line."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import planted_zoo
from helpers.recorded import read_results

import weightbench as wb
from weightbench.benchmarks.task.registry import load_task
from weightbench.zoo.networks import symmetry
from weightbench.zoo.networks.networks import Networks


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> wb.Zoo:
    """800 MLPs of one architecture."""
    return planted_zoo.write_zoo(
        tmp_path_factory.mktemp("planted") / "zoo", {"narrow": planted_zoo.networks((4, 12, 12, 3), 800)}
    )


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> wb.Zoo:
    """Two architectures of other depth and width."""
    groups = {
        "narrow": planted_zoo.networks((4, 12, 12, 3), 200),
        "wide": planted_zoo.networks((4, 24, 3), 300, seed=1),
    }
    return planted_zoo.write_zoo(tmp_path_factory.mktemp("mixed") / "zoo", groups)


def scores(zoo: wb.Zoo, out: Path, method: str, target: str, *, task: str = "property", **options: object) -> dict:
    params = options.pop("params", {})
    (result,) = wb.run(wb.load_method(method, **params), task=task, zoo=zoo, target=target, out=out, **options)
    assert result.status == "ok", result.error
    return result.scores


@pytest.mark.parametrize(
    ("method", "target", "protocol"),
    [
        ("weight-norms", "sum_of_squares", "supervised"),
        ("weight-norms", "sum_of_squares", "representation"),
        ("weight-norms", "spectral_norm", "supervised"),
        ("weight-stats-linear", "mean_weight", "representation"),
    ],
)
def test_what_a_method_can_see_it_finds(planted, tmp_path: Path, method: str, target: str, protocol: str) -> None:
    assert scores(planted, tmp_path, method, target, protocol=protocol)["pearson-r"] > 0.99


def test_what_a_method_cannot_see_it_does_not_find(planted, tmp_path: Path) -> None:
    assert abs(scores(planted, tmp_path, "weight-norms", "mean_weight")["pearson-r"]) < 0.2


def test_a_reader_of_functions_is_blind_to_what_rescaling_changes(tmp_path: Path) -> None:
    found = planted_zoo.networks((4, 12, 3), 400)
    same = Networks(found.arch, found.params[:1].repeat(len(found), 1))  # one function, scaled at random
    factors = symmetry.sample(found.arch, "scale", len(found), torch.Generator().manual_seed(0))
    zoo = planted_zoo.write_zoo(tmp_path / "zoo", {"scaled": same.rescaled(factors, "scale")})
    brief = {"epochs": 2, "probes": 4, "width": 16, "depth": 2}
    assert abs(scores(zoo, tmp_path, "probegen", "sum_of_squares", params=brief)["pearson-r"]) < 0.2
    assert scores(zoo, tmp_path, "weight-norms", "sum_of_squares")["pearson-r"] > 0.99


def test_dead_neurons_are_counted_from_norms(tmp_path: Path) -> None:
    found = planted_zoo.networks((4, 16, 3), 400)
    params = found.params.sign()
    dead = torch.randint(0, 12, (400,), generator=torch.Generator().manual_seed(0))
    whole = Networks(found.arch, params)
    for row, count in enumerate(dead.tolist()):  # neither weights nor bias come in: always 0 after the ReLU
        whole.weights[0][row, :count] = 0
        whole.biases[0][row, :count] = 0
    zoo = planted_zoo.write_zoo(tmp_path / "zoo", {"dead": whole}, extra={"dead": dead.numpy()})
    assert scores(zoo, tmp_path, "weight-norms", "dead")["pearson-r"] > 0.99


@pytest.mark.parametrize("method", ["weight-norms", "weight-stats", "mlp", "probegen", "consensus"])
def test_shuffled_labels_are_not_learned(planted, tmp_path: Path, method: str) -> None:
    brief = {"epochs": 3, "width": 16} if method in ("mlp", "probegen") else {}
    found = scores(planted, tmp_path, method, "shuffled", params=brief)
    assert abs(found["pearson-r"]) < 0.2
    assert set(found) == {"pearson-r", "r2", "kendall-tau"}


class Exact(wb.Method):
    """Computes the sum of squares; its embedding is that number."""

    name = "exact"
    tasks = ("property",)

    def fit(self, task, train, val, *, seed, device) -> None:
        if task.output == "embeddings":
            assert list(train.table) == ["id", "architecture"]
            assert "test" not in task.splits
            with pytest.raises(wb.BadInput, match="without targets"):
                task.targets(train)

    def predict(self, networks):
        return self.transform(networks)

    def transform(self, networks):
        return networks.params.square().sum(1, keepdim=True)


@pytest.mark.parametrize("split", ["within-run", "across-runs", "cross-fitted"])
@pytest.mark.parametrize("protocol", ["supervised", "representation"])
def test_rows_of_several_architectures_come_back_in_order(mixed, tmp_path: Path, split: str, protocol: str) -> None:
    (result,) = wb.run(
        Exact, task="property", zoo=mixed, target="sum_of_squares", split=split, protocol=protocol, out=tmp_path
    )
    assert result.scores["r2"] == pytest.approx(1, abs=1e-5)
    assert result.zoo.n_test == {"within-run": 100, "across-runs": 250, "cross-fitted": 500}[split]
    (title,) = wb.boards(tmp_path)
    shown = f"{split}, representation" if protocol == "representation" else split
    assert title == f"property of sum_of_squares ({shown}) on planted@1.0.0"
    readme = tmp_path / "board.md"
    from weightbench.leaderboard.board.board import load_boards
    from weightbench.leaderboard.pages.board_files import markdown

    (board,) = load_boards(tmp_path)
    assert (
        len(board.points[0]) == {"within-run": 100, "across-runs": 150, "cross-fitted": 150}[split]
    )  # all, or a sample
    assert all(predicted == pytest.approx(true, rel=1e-4) for true, predicted in board.points[0])
    readme.write_text(markdown([board]))
    assert ("neighbours in time" in readme.read_text()) == (split == "within-run")


@pytest.mark.parametrize(
    ("method", "params"),
    [("weight-norms", {}), ("weight-stats", {}), ("probegen", {"epochs": 20, "lr": 3e-3, "depth": 3})],
)
def test_methods_train_on_several_architectures(mixed, tmp_path: Path, method: str, params: dict) -> None:
    number, kind = ("answer", "sign") if method == "probegen" else ("sum_of_squares", "size")
    assert scores(mixed, tmp_path, method, number, params=params)["pearson-r"] > 0.8
    (result,) = wb.run(
        wb.load_method(method, **params), task="network-classification", zoo=mixed, target=kind, out=tmp_path
    )
    assert result.score > 75
    assert result.scores == {"accuracy": result.score}


def test_within_run_scores_are_averaged_over_runs(planted, tmp_path: Path) -> None:
    (result,) = wb.run(
        "weight-norms", task="property", zoo=planted, target="mean_weight", split="within-run", out=tmp_path
    )
    from weightbench.benchmarks.records.predictions import read_predictions

    path = next(path for path, found in read_results(tmp_path) if found == result)
    ids, arrays = read_predictions(path.with_name(result.predictions.file), result.predictions.sha256)
    table = planted.with_splits("within-run")["test"].table.set_index("id").loc[ids]
    table["predicted"] = arrays["values"][:, 0]
    each = [np.corrcoef(run["mean_weight"], run["predicted"])[0, 1] for _, run in table.groupby("run")]
    assert result.score == pytest.approx(np.mean(each))


def test_an_encoder_is_fitted_once_for_all_targets(planted, tmp_path: Path, cli) -> None:
    plugin = tmp_path / "counted.py"
    plugin.write_text(
        "import pathlib\nimport weightbench as wb\n"
        "class Counted(wb.Method):\n"
        "    name = 'counted'\n"
        "    tasks = ('property',)\n"
        "    def fit(self, task, train, val, *, seed, device):\n"
        f"        with open({str(tmp_path / 'log')!r}, 'a') as log: log.write(f'{{seed}} ')\n"
        "    def transform(self, networks):\n"
        "        return networks.params[:, :5]\n"
    )
    suite = tmp_path / "suite.toml"
    suite.write_text(
        f"""description = "one encoder per split and seed, two targets"
seeds = [0, 1]
[[runs]]
task = "property"
zoo = ["{planted.folder}"]
split = ["within-run", "across-runs"]
target = ["sum_of_squares", "mean_weight"]
protocol = "representation"
methods = [{{ name = "{plugin}" }}]
"""
    )
    code, _, err = cli("run", "--suite", suite, "--out", tmp_path / "runs")
    assert code == 0, err
    assert (tmp_path / "log").read_text() == "0 0 1 1 "
    assert len(read_results(tmp_path / "runs")) == 8


@pytest.mark.parametrize("protocol", ["supervised", "representation"])
def test_networks_of_a_kind_are_retrieved(mixed, tmp_path: Path, protocol: str) -> None:
    (result,) = wb.run(
        "weight-norms", task="network-retrieval", zoo=mixed, target="size", protocol=protocol, out=tmp_path
    )
    assert result.scores.keys() == {"map", "recall@1", "recall@5", "recall@10", "map by cosine"}
    assert result.score > 60  # at random about 50
    (row,) = wb.boards(tmp_path).popitem()[1].to_dict("records")
    assert row["score"] == pytest.approx(result.score)
    assert row["units"] < 100
    assert row["low"] is None  # mean average precision needs more


TEXTS = {"train_accuracy": "good", "test_accuracy": np.array(["good", "bad"])[np.arange(100) % 2]}
SCORES = {"train_accuracy": np.arange(100) / 100, "test_accuracy": np.arange(100) ** 2 / 20000}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("property", "sum_of_squares"),
        ("accuracy-decoding", None),
        ("accuracy-decoding", "train"),
        ("generalization-gap", None),
        ("network-classification", "size"),
        ("network-retrieval", "size"),
        ("neuron-alignment", None),
    ],
)
@pytest.mark.parametrize("split", [None, "across-runs", "within-run"])
def test_a_task_made_again_from_its_options_is_the_same(
    name: str, target: str | None, split: str | None, tmp_path: Path
) -> None:
    """As records, submissions and other processes do."""
    zoo = planted_zoo.write_zoo(tmp_path / "zoo", {"only": planted_zoo.networks((4, 6, 3), 100)}, extra=SCORES)
    task = load_task(name, zoo, target=target, split=split)
    again = pickle.loads(pickle.dumps(task))
    assert again.options == task.options
    assert again.title == task.title
    assert again.splits["test"].ids == task.splits["test"].ids


def test_a_task_of_the_family_is_supported_and_named(planted, small_zoo: Path) -> None:
    assert load_task("property", planted, target="size").output == "logits"
    assert load_task("property", planted, target="run").output == "values"
    assert load_task("property", planted, target="run - sum_of_squares").output_dim == 1
    assert load_task("property", small_zoo, target="label").output_dim == 10


@pytest.mark.parametrize(
    ("extra", "options", "message"),
    [
        ({}, {"target": "psnr"}, "unknown column 'psnr'"),
        ({}, {"target": None}, "takes --target COLUMN"),
        ({"x": 3.0}, {"target": "x"}, "is constant in train"),
        ({"x": np.where(np.arange(100) == 95, np.nan, np.arange(100))}, {"target": "x"}, "1 of 50 values in test"),
        ({"x": np.where(np.arange(100) == 5, np.inf, np.arange(100))}, {"target": "x"}, "missing or not finite"),
        ({"x": np.where(np.arange(100) < 95, "a", "b")}, {"target": "x"}, "is constant in train"),
        ({"x": np.array([*"abc"])[np.arange(100) // 39]}, {"target": "x"}, "1 classes are absent from train"),
        ({"x": np.where(np.arange(100) % 9 == 5, None, "a")}, {"target": "x"}, "values in train are missing"),
        ({"x": "text"}, {"target": "x - run"}, "a difference takes numbers"),
        (TEXTS, {"target": "test", "task": "accuracy-decoding"}, "takes a target of numbers, but"),
        (TEXTS, {"target": None, "task": "generalization-gap"}, "a difference takes numbers"),
        ({"run": 0}, {"target": "sum_of_squares"}, "one run to learn from"),
        ({"run": 0}, {"target": "size", "task": "network-retrieval", "split": "within-run"}, "nothing to retrieve"),
        ({}, {"target": "size", "task": "accuracy-decoding"}, "has no columns train_accuracy"),
        ({}, {"target": "run", "task": "network-classification"}, "holds numbers"),
        ({}, {"target": "run", "split": "by-run"}, "unknown split policy"),
        ({}, {"target": "run", "protocol": "magic"}, "unknown protocol 'magic'"),
        ({}, {"target": "run", "protocol": "representation", "method": "mlp"}, "has no `transform`"),
        ({}, {"target": "label", "task": "inr-classification"}, "needs the columns ['label']"),
        (SCORES, {"target": "run", "task": "generalization-gap"}, "takes no target"),
    ],
)
def test_wrong_targets_are_one_line(extra, options, message: str, tmp_path: Path, cli) -> None:
    given, extra = {"task": "property", "method": "weight-norms"} | options, dict(extra)
    zoo = tmp_path / "zoo"
    run = extra.pop("run", None)
    planted_zoo.write_zoo(zoo, {"only": planted_zoo.networks((4, 6, 3), 100)}, extra=extra, one_run=run is not None)
    arguments = ["run", given.pop("method"), "--zoo", zoo, "--out", tmp_path / "runs"]
    for name, value in given.items():
        arguments += [f"--{name}", value] if value is not None else []
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_too_few_networks_are_refused(tmp_path: Path, cli) -> None:
    planted_zoo.write_zoo(tmp_path / "zoo", {"few": planted_zoo.networks((4, 6, 3), 10)})
    code, _, err = cli("run", "weight-norms", "--task", "property", "--target", "run", "--zoo", tmp_path / "zoo")
    assert code == 2
    assert "has 4 networks, 5 needed" in err


def test_a_method_of_one_architecture_is_refused_before_any_fit(mixed, tmp_path: Path, cli) -> None:
    out = tmp_path / "runs"
    code, _, err = cli("run", "weight-norms", "mlp", "--task", "property", "--target", "run", "--zoo", mixed.folder,
                       "--out", out)  # fmt: skip
    assert code == 2
    assert "method mlp is tied to one architecture, but this zoo has 2" in err
    assert not out.exists()


def test_a_zoo_of_one_set_of_splits_takes_no_other(small_zoo: Path) -> None:
    for split in ("within-run", "across-runs"):
        with pytest.raises(wb.BadInput, match="has one set of splits only"):
            load_task("inr-classification", small_zoo, split=split)
