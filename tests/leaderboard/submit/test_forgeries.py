"""Made-up results, as a careful forger would hand them in: each is refused in one line, with nothing written."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.counted_work import shrunk
from helpers.forged_results import edit, failed, forge_predictions, record_of, refused, rehome
from helpers.recorded import read_results

import weightbench as wb
from weightbench.benchmarks.metrics.dilation import dequantise, dilated, quantise
from weightbench.benchmarks.records.predictions import read_predictions
from weightbench.benchmarks.records.results_folder import read_result
from weightbench.benchmarks.records.truth import Truth
from weightbench.leaderboard.evidence.code_history import history_is_whole
from weightbench.zoo.build.build_zoo import build_zoo

PLUGIN = """
import weightbench as wb

class Mine(wb.Method):
    name = "mine"
    tasks = ("inr-classification",)

    def fit(self, task, train, val, *, seed, device):
        self.classes, self.seed = task.output_dim, seed

    def predict(self, networks):
        return networks.params[:, : self.classes] + self.seed
"""


@pytest.fixture(scope="module")
def wide_zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """digits-inrs of few steps with 1,200 test networks: more than are scored when edited."""
    folder = tmp_path_factory.mktemp("wide")
    splits = "{ train = 40, val = 10, test = 300 }"
    recipe = shrunk("digits-inrs", folder, steps="5", splits=splits, chunk="{ cpu = 700, cuda = 700 }")
    return Path(build_zoo(str(recipe), out=folder / "zoo", device="cpu").folder)


@pytest.fixture(scope="module")
def honest_and_wide(wide_zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("honest-and-wide") / "runs"
    wb.run("weight-norms", task="inr-classification", zoo=wide_zoo, out=out)
    wb.run("weight-norms", task="property", target="psnr", zoo=wide_zoo, out=out)
    wb.run(wb.load_method("mlp", epochs=1), task="inr-dilation", zoo=wide_zoo, out=out)
    return out


@pytest.fixture
def wide(honest_and_wide: Path, wide_zoo: Path, cli, tmp_path: Path) -> tuple[Path, Callable]:
    """A copy of these results, and the command that hands results in."""
    copy = Path(shutil.copytree(honest_and_wide, tmp_path / "wide"))
    return copy, lambda runs: cli("submit", runs, "--zoo", wide_zoo, "--home", tmp_path / "home")


def truth_of(runs: Path) -> Truth:
    (path,) = runs.glob("zoos/*")
    return Truth(path)


def with_score(record: Path, **scores: float) -> None:
    """Claim scores, which are those of the forged predictions, so that the claim holds."""
    edit(record, score=next(iter(scores.values())), scores=read_result(record).scores | scores)


def test_honest_results_on_the_wide_zoo_pass(wide: tuple[Path, Callable]) -> None:
    runs, submit = wide
    code, out, err = submit(runs)
    assert (code, err) == (0, "")
    assert "3 results checked" in out


def test_labels_as_logits(wide: tuple[Path, Callable], tmp_path: Path) -> None:
    runs, submit = wide
    labels = truth_of(runs).table["label"]
    record = record_of(runs)
    forge_predictions(record, lambda ids, arrays: (ids, {"logits": np.eye(10, dtype=np.float32)[labels[ids]]}))
    with_score(record, accuracy=100.0)
    refused(runs, tmp_path / "home", submit, "name the class of all 1,200 images: the labels themselves")


def test_targets_as_values(wide: tuple[Path, Callable], tmp_path: Path) -> None:
    runs, submit = wide
    psnr = truth_of(runs).table["psnr"]
    record = record_of(runs, "property")
    forge_predictions(record, lambda ids, arrays: (ids, {"values": psnr[ids].to_numpy(np.float32)[:, None]}))
    with_score(record, **{"pearson-r": 1.0, "r2": 1.0, "kendall-tau": 1.0})
    refused(runs, tmp_path / "home", submit, "its values are psnr of all 1,200 networks to the last bit")


def dilation(change: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """Other renderings, with their score: a function of the stored ones and of the dilated images."""

    def attack(runs: Path) -> None:
        record, truth = record_of(runs, "inr-dilation"), truth_of(runs)
        ids, arrays = read_predictions(record.with_suffix(".safetensors"), read_result(record).predictions.sha256)
        targets = dilated(truth.images[truth.table.index.get_indexer(ids)]).reshape(len(ids), -1)
        pixels = change(arrays["pixels"], quantise(targets))
        forge_predictions(record, lambda ids, arrays: (ids, {"pixels": pixels}))
        with_score(record, **{"dilation-mse": 100 * np.square(dequantise(pixels) - targets).mean(1).mean()})

    return attack


def _some(pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The truth for every tenth network, what was rendered for the others."""
    return np.where(np.arange(len(pixels))[:, None] % 10 == 0, targets, pixels)


def _as_version_1(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """All networks, with errors beside the first renderings, as version 1 of the task stored them."""

    def attack(runs: Path) -> None:
        record, truth = record_of(runs, "inr-dilation"), truth_of(runs)
        everyone = truth.table.index.tolist()
        errors = change(np.full(len(everyone), 0.05, np.float32))
        forge_predictions(record, lambda ids, arrays: (everyone, {"squared_error": errors, "pixels": arrays["pixels"]}))
        edit(record, predictions__n=len(everyone))
        with_score(record, **{"dilation-mse": 100 * float(errors.astype(float).mean())})

    return attack


def _of_other_networks(runs: Path) -> None:
    """The last thousand of the split, or the easiest: whatever is not drawn."""
    record, truth = record_of(runs, "inr-dilation"), truth_of(runs)
    forge_predictions(record, lambda ids, arrays: (truth.table.index[-1000:].tolist(), arrays))


WIDE = {
    "dilated truth": (dilation(lambda pixels, targets: targets), "1,000 of its renderings are the dilated images"),
    "some of it": (dilation(_some), "100 of its renderings are the dilated images to the last byte: the truth itself"),
    "no errors unseen": (
        _as_version_1(lambda errors: errors * 0),
        "for 1200 networks, expected those for 1000 of the test split",
    ),
    "renderings of others": (_of_other_networks, "for 1000 networks, expected those for 1000 of the test split"),
    "floats": (
        lambda runs: forge_predictions(
            record_of(runs, "inr-dilation"), lambda ids, arrays: (ids, {"pixels": arrays["pixels"].astype(np.float32)})
        ),
        "the array pixels holds float32, expected bytes",
    ),
}


@pytest.mark.parametrize("name", WIDE)
def test_made_up_renderings_and_errors(name: str, wide: tuple[Path, Callable], tmp_path: Path) -> None:
    runs, submit = wide
    attack, message = WIDE[name]
    attack(runs)
    refused(runs, tmp_path / "home", submit, message)


def test_invented_losses_between_trained_networks(cli, tmp_path: Path) -> None:
    zoo, runs = tmp_path / "zoo", tmp_path / "runs"
    build_zoo("moons-mlps", limit=15, out=zoo, device="cpu")
    wb.run("weight-matching", task="neuron-alignment", target="trained", zoo=zoo, out=runs)
    assert cli("submit", runs, "--zoo", zoo, "--home", tmp_path / "honest")[0] == 0

    def invented(ids, arrays):
        losses = arrays["line_loss"]
        t = np.linspace(0, 1, losses.shape[1], dtype=np.float32)
        return ids, arrays | {"line_loss": (1 - t) * losses[:, :1] + t * losses[:, -1:]}

    record = record_of(runs, "neuron-alignment")
    forge_predictions(record, invented)
    with_score(record, barrier=0.0)
    home = tmp_path / "home"
    message = "is not what its permutations give"
    refused(runs, home, lambda runs: cli("submit", runs, "--zoo", zoo, "--home", home), message)
    shutil.rmtree(zoo)
    code, _, err = cli("submit", runs, "--home", tmp_path / "honest")
    assert code == 2
    assert "the losses between networks are computed anew: say --zoo with the zoo's folder" in err


@pytest.fixture
def with_plug_in(runs: Path, small_zoo: Path, cli, tmp_path: Path) -> Path:
    """Also results of a method in a file of its own."""
    (tmp_path / "mine.py").write_text(PLUGIN)
    task = ("--task", "inr-classification", "--zoo", small_zoo)
    assert cli("run", tmp_path / "mine.py", *task, "--seeds", "0,1", "--out", runs)[0] == 0
    return runs


def mine(runs: Path, seed: int = 0) -> Path:
    return next(runs.glob(f"inr-classification/*/mine/*/seed-{seed}.json"))


def copy_answers(record: Path, original: Path, reverse: bool = False) -> None:
    """The answers of one record as those of another, with all its claims of speed and symmetry."""
    result = read_result(original)
    ids, arrays = read_predictions(original.with_suffix(".safetensors"), result.predictions.sha256)
    order = slice(None, None, -1 if reverse else 1)
    forge_predictions(record, lambda _, __: (ids[order], {name: values[order] for name, values in arrays.items()}))
    edit(record, symmetry={"permutation": 0.0}, cost__predict_networks_per_s=1e9, score=result.score)
    edit(record, scores=result.scores)


def theirs(runs: Path, seed: int = 0) -> Path:
    return next(runs.glob(f"inr-classification/*/weight-stats/*/seed-{seed}.json"))


def test_the_file_of_a_plug_in_travels_and_runs_again(
    with_plug_in: Path, submit, small_zoo, cli, tmp_path: Path
) -> None:
    code, out, err = submit(with_plug_in)
    assert (code, err) == (0, "")
    assert "5 results checked" in out
    (source,) = (tmp_path / "home" / "results" / "sources").iterdir()
    assert source.read_text() == PLUGIN
    again = ("--task", "inr-classification", "--zoo", small_zoo, "--seeds", "0,1", "--out", tmp_path / "again")
    assert cli("run", source, *again)[0] == 0
    committed = {r.path: r.predictions for _, r in read_results(tmp_path / "home" / "results")}
    found = {r.path: r.predictions for _, r in read_results(tmp_path / "again")}
    assert len(found) == 2
    assert found.items() <= committed.items()


@pytest.mark.parametrize("reverse", [False, True])
def test_answers_of_another_method(reverse: bool, with_plug_in: Path, submit, tmp_path: Path) -> None:
    copy_answers(mine(with_plug_in), theirs(with_plug_in, seed=1), reverse)
    refused(with_plug_in, tmp_path / "home", submit, "its predictions are those of weight-stats (trees=2), seed ")


def test_answers_of_a_method_that_is_committed(with_plug_in: Path, submit, tmp_path: Path) -> None:
    forger = Path(shutil.copytree(with_plug_in, tmp_path / "forger"))
    shutil.rmtree(mine(with_plug_in).parent.parent)
    assert submit(with_plug_in)[0] == 0
    before = sorted((tmp_path / "home").rglob("*"))
    copy_answers(mine(forger), theirs(forger))
    for folder in (theirs(forger).parent, forger / "inr-dilation"):
        shutil.rmtree(folder)
    code, _, err = submit(forger)
    assert code == 2
    assert "its predictions are those of weight-stats (trees=2), seed 0, in every bit" in err
    assert sorted((tmp_path / "home").rglob("*")) == before


def test_forgeries_beside_the_command_fail_the_check_of_the_board(
    with_plug_in: Path, submit, cli, tmp_path: Path
) -> None:
    """Files that were put among the committed results by hand."""
    assert submit(with_plug_in)[0] == 0
    home = tmp_path / "home"
    board = ("leaderboard", "--results", home / "results", "--out", home)
    assert cli(*board)[0] == 0
    assert cli(*board, "--check")[0] == 0
    copy_answers(mine(home / "results"), theirs(home / "results"))
    assert cli(*board)[0] == 0
    code, _, err = cli(*board, "--check")
    assert code == 1
    assert "its predictions are those of weight-stats (trees=2), seed 0, in every bit" in err


def test_two_methods_may_agree_by_chance(small_zoo: Path, cli, tmp_path: Path) -> None:
    """Constant answers and bare class numbers, under two names."""
    names = []
    for name in ("same", "also-same", "nearest", "also-nearest"):
        answer = "torch.eye(10)[(1000 * networks.params[:, 0]).long() % 10]" if "nearest" in name else "self.prior"
        prior = "self.prior = torch.linspace(0, 1, 10).expand(24, 10)[: len(networks)]"
        head, _ = PLUGIN.replace('"mine"', f'"{name}"').split("return ")
        (tmp_path / f"{name}.py").write_text(f"import torch\n{head}{prior}\n        return {answer}\n")
        names.append(tmp_path / f"{name}.py")
    runs = tmp_path / "runs"
    assert cli("run", *names, "--task", "inr-classification", "--zoo", small_zoo, "--out", runs)[0] == 0
    code, out, err = cli("submit", runs, "--zoo", small_zoo, "--home", tmp_path / "home")
    assert (code, err) == (0, "")
    assert "4 results checked" in out


def _remove(path: Path) -> None:
    for file in path.parent.glob(f"{path.stem}.*"):
        file.unlink()


def _another_seed(path: Path) -> None:
    record = json.loads(path.read_text())
    for suffix in (".json", ".safetensors"):
        path.with_suffix(suffix).rename(path.with_name(f"seed-11{suffix}"))
    record["predictions"]["file"] = "seed-11.safetensors"
    path.with_name("seed-11.json").write_text(json.dumps(record | {"seed": 11}))


def _moved(path: Path, **changes) -> None:
    edit(path, **changes)
    rehome(path)


RECORDS = {
    "a seed left out": (lambda path: _remove(path), "seed 0 is missing beside 1: weightbench run weight-stats"),
    "a seed of one's choice": (_another_seed, "seed 0 is missing beside 1, 11: weightbench run weight-stats"),
    "a failed seed left out": (lambda path: (failed(path), _remove(path)), "seed 0 is missing beside 1"),
    "a recipe as published": (
        lambda path: edit(path, method__recipe="epochs=9"),
        "method.recipe: says 'epochs=9', these settings are ''",
    ),
    "a failed run with a score": (lambda path: failed(path, score=99.0), "score: a run that failed has none"),
    "a failed run with a cost": (
        lambda path: (cost := json.loads(path.read_text())["cost"], failed(path, cost=cost)),
        "cost: a run that failed has none",
    ),
    "a failed run without a reason": (lambda path: failed(path, error=""), "error: is empty, expected why"),
    "changed code": (
        lambda path: edit(path, method__source_sha256="0" * 64),
        "method.source_sha256: 000000000000 is in no commit of this clone the file of weight-stats",
    ),
    "a method of the suite from a file": (
        lambda path: _moved(path, method__version="1+" + json.loads(path.read_text())["method"]["source_sha256"][:12]),
        "method.name: weight-stats is a method of the suite; give your own another name",
    ),
    "a new name": (
        lambda path: _moved(path, method__name="weight-stats-2"),
        "method.version: is '1', expected the checksum of the method's file at its end",
    ),
    "a new name with a checksum": (
        lambda path: _moved(path, method__name="mine", method__version="1+000000000000"),
        "method.version: is '1+000000000000', expected the checksum",
    ),
    "a negative change": (
        lambda path: edit(path, symmetry__sensitivity=-1.0),
        "symmetry.sensitivity: is -1.0, expected 0 or more",
    ),
    "figures of constant answers": (
        lambda path: edit(path, symmetry__constant=True),
        "symmetry.permutation: constant answers have none",
    ),
    "symmetries that were never declared": (
        lambda path: edit(path, symmetry__declared=[]),
        "symmetry.declared: says none, weight-stats declares permutation",
    ),
    "a symmetry that there is not": (
        lambda path: edit(path, symmetry__declared=["rotation"]),
        "symmetry.declared.0: Input should be 'permutation', 'sign' or 'scale'",
    ),
    "training size": (lambda path: edit(path, zoo__n_train=1), "zoo.n_train: says 1, the zoo's train split has"),
    "validation size": (lambda path: edit(path, zoo__n_val=9), "zoo.n_val: says 9, the zoo's val split has"),
}


RECORDS |= {
    "a date to come": (
        lambda path: edit(path, finished="2999-01-01T00:00:00Z"),
        "finished: 2999-01-01T00:00:00Z is in the future",
    ),
    "no date": (lambda path: edit(path, finished="yesterday"), "finished: is 'yesterday', expected a date"),
    "more speed than there is": (
        lambda path: edit(path, cost__predict_networks_per_s=1e30),
        "cost.predict_networks_per_s: Input should be less than or equal to",
    ),
    "a number of four hundred digits": (
        lambda path: edit(path, cost__peak_memory_mb=10**400),
        "cost.peak_memory_mb: ",
    ),
    "memory owed": (
        lambda path: edit(path, cost__peak_memory_mb=-5),
        "cost.peak_memory_mb: Input should be greater than or equal to 0",
    ),
    "a load in words": (
        lambda path: edit(path, environment__load="idle"),
        "environment: Value error, load: Input should be a valid number",
    ),
    "a rate below nothing": (
        lambda path: edit(path, environment__gflops=-1.0),
        "environment: Value error, gflops: Input should be greater than or equal to 0",
    ),
    "a record too deep to read": (
        lambda path: path.write_text('{"environment": ' + "[" * 100_000 + "]" * 100_000 + "}"),
        "recursion limit exceeded",
    ),
    "a source with a path": (
        lambda path: edit(path, method__source_sha256="../../../../etc/passwd"),
        "method.source_sha256: '../../../../etc/passwd' is refused; expected 64 hex digits",
    ),
    "epochs in words": (
        lambda path: edit(path, budget={"epochs": "<b>many</b>"}),
        "budget.epochs: is '<b>many</b>', expected a number from 0",
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_made_up_records(name: str, runs: Path, submit, tmp_path: Path) -> None:
    attack, message = RECORDS[name]
    attack(record_of(runs))
    refused(runs, tmp_path / "home", submit, message)


TRAINED = {
    "the published recipe": (
        lambda path: edit(path, method__recipe=""),
        "method.recipe: says '', these settings are 'epochs=1'",
    ),
    "more epochs": (lambda path: edit(path, budget__epochs=10**6), "budget.epochs: says 1000000, method.params.epochs"),
    "more epochs asked": (
        lambda path: _moved(path, budget__epochs=10**6, method__params=_params(path) | {"epochs": 10**6}),
        "budget.epochs: says 1000000, curves.train_loss has 1",
    ),
    "a better validation score": (
        lambda path: edit(path, selection__val_score=1e-9),
        "selection.val_score: says 1e-09 in epoch 1, curves.val_score has",
    ),
    "operations owed": (
        lambda path: edit(path, budget__flops=-1e9),
        "budget.flops: is -1000000000.0, expected a number",
    ),
    "more operations than the machine can do": (
        lambda path: edit(path, budget__flops=1e18),
        "budget.flops: says 1e+18 in",
    ),
    "an epoch that never was": (lambda path: edit(path, selection__epoch=7), "in epoch 7, curves.val_score has None"),
}


def _params(path: Path) -> dict:
    return dict(json.loads(path.read_text())["method"]["params"])


@pytest.mark.parametrize("name", TRAINED)
def test_made_up_training(name: str, runs: Path, submit, tmp_path: Path) -> None:
    attack, message = TRAINED[name]
    attack(record_of(runs, "inr-dilation"))
    refused(runs, tmp_path / "home", submit, message)


def _large(source: Path) -> None:
    source.write_text("#" * (2**18 + 1))


def _linked(source: Path) -> None:
    source.rename(source.with_suffix(".real"))
    source.symlink_to(source.with_suffix(".real"))


def _no_text(source: Path) -> None:
    """Everything that names the file is changed with it."""
    content = b"\xff\xfe" * 10
    sha256 = hashlib.sha256(content).hexdigest()
    source.with_name(f"{sha256}.py").write_bytes(content)
    for record in source.parents[1].glob("inr-classification/*/mine/*/seed-*.json"):
        edit(record, method__source_sha256=sha256, method__version=f"1+{sha256[:12]}")
        home = source.parents[1] / read_result(record).path
        home.parent.mkdir(exist_ok=True)
        for file in record.parent.glob(f"{record.stem}.*"):
            file.rename(home.with_name(file.name))


PLUGIN_SOURCES = {
    "gone": (lambda source: source.unlink(), "no such file, or a link: the source of mine"),
    "edited": (lambda source: source.write_text("print('another')"), "its sha256 is not its name"),
    "large": (_large, "has 262,145 bytes, at most 262,144 are taken"),
    "linked": (_linked, "no such file, or a link"),
    "no text": (_no_text, "is no UTF-8 text: the source of mine is Python"),
}


@pytest.mark.parametrize("name", PLUGIN_SOURCES)
def test_sources_that_are_not_what_ran(name: str, with_plug_in: Path, submit, tmp_path: Path) -> None:
    attack, message = PLUGIN_SOURCES[name]
    (source,) = (with_plug_in / "sources").iterdir()
    attack(source)
    refused(with_plug_in, tmp_path / "home", submit, message)


def test_a_row_of_a_million_epochs(small_zoo: Path, submit, tmp_path: Path) -> None:
    """Code of another checksum, a seed of one's choice, an epoch count that nobody trained: one lie after the other."""
    runs, small = tmp_path / "runs", {"width": 8, "depth": 1, "heads": 2, "attention_width": 8, "fourier_features": 0}
    wb.run(wb.load_method("ng-t", epochs=1, **small), task="inr-classification", zoo=small_zoo, out=runs)
    record = record_of(runs)
    honest = json.loads(record.read_text())["method"]
    _another_seed(record)
    record = record.with_name("seed-11.json")
    params = honest["params"] | {"epochs": 10**6}
    edit(record, budget__epochs=10**6, method__params=params, method__source_sha256="0" * 64)
    home = runs / read_result(record).path
    home.parent.mkdir()
    for file in record.parent.glob("seed-11.*"):
        file.rename(home.with_name(file.name))
    refused(runs, tmp_path / "home", submit, "budget.epochs: says 1000000, curves.train_loss has 1")
    edit(home, curves=None)
    refused(runs, tmp_path / "home", submit, "method.recipe: says 'epochs=1', these settings are 'epochs=1000000'")
    edit(home, method__recipe="epochs=1000000")
    refused(runs, tmp_path / "home", submit, "is in no commit of this clone the file of ng-t")
    edit(home, method__source_sha256=honest["source_sha256"])
    refused(runs, tmp_path / "home", submit, "seed 0 is missing beside 11: weightbench run ng-t")


def test_a_seed_of_other_code_makes_no_row(runs: Path, submit, tmp_path: Path) -> None:
    """Neither among the new seeds nor beside committed ones; the same cells run again by other code may be."""
    second = record_of(runs).with_name("seed-1.json")
    commit = json.loads(record_of(runs).read_text())["environment"]["commit"][:8]
    environment = json.loads(second.read_text())["environment"]
    edit(second, environment=environment | {"code_sha256": "0" * 64})
    message = f"seed 1 was run by other code than seed 0 of its row: run it with that of commit {commit}"
    refused(runs, tmp_path / "home", submit, message)
    kept = second.read_bytes(), second.with_suffix(".safetensors").read_bytes()
    _remove(second)
    assert submit(runs)[0] == 0
    second.write_bytes(kept[0])
    second.with_suffix(".safetensors").write_bytes(kept[1])
    code, _, err = submit(runs)
    assert code == 2
    assert message in err
    edit(second, environment=environment)
    assert submit(runs)[0] == 0
    for seed in (0, 1):
        path = record_of(runs).with_name(f"seed-{seed}.json")
        edit(path, environment=environment | {"code_sha256": "0" * 64, "cpu": "Another"})
    code, out, err = submit(runs)
    assert code == 0, err
    assert "2 replications" in out


@pytest.mark.skipif(not history_is_whole(), reason="a shallow clone cannot tell what code there was")
def test_code_of_no_commit_fails_the_check_of_the_board(runs: Path, submit, cli, tmp_path: Path) -> None:
    """A record that was put among the committed results by hand."""
    assert submit(runs)[0] == 0
    home = tmp_path / "home"
    board = ("leaderboard", "--results", home / "results", "--out", home)
    edit(record_of(home / "results"), method__source_sha256="0" * 64)
    edit(record_of(home / "results").with_name("seed-1.json"), method__source_sha256="0" * 64)
    assert cli(*board)[0] == 0
    code, _, err = cli(*board, "--check")
    assert code == 1
    assert err.count("method.source_sha256: in no commit of this clone the file of weight-stats") == 2


def test_the_truth_with_noise_passes_until_the_cell_is_run_again(
    with_plug_in: Path, submit, cli, small_zoo: Path, tmp_path: Path
) -> None:
    """No rule can tell it; the kept file of the method does, which gives other answers."""
    labels = truth_of(with_plug_in).table["label"]
    for seed in (0, 1):
        noise = np.random.default_rng(seed).normal(0, 1e-2, (24, 10)).astype(np.float32)
        record = mine(with_plug_in, seed)
        forge_predictions(
            record,
            lambda ids, arrays, noise=noise: (ids, {"logits": np.eye(10, dtype=np.float32)[labels[ids]] + noise}),
        )
        with_score(record, accuracy=100.0)
    assert submit(with_plug_in)[0] == 0
    committed = mine(tmp_path / "home" / "results")
    out = tmp_path / "again"
    asked = ("replicate", committed, "--zoo", small_zoo, "--foreign-code", "mine", "--out", out, "--json")
    code, text, _ = cli(*asked)
    assert code == 1, text
    (found,) = json.loads(text)
    assert (found["error"], found["within"]) == (None, False)
