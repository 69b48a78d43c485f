"""Submission: honest results are copied, forged ones refused in one line with nothing written."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers import published_formats as published
from helpers.forged_results import edit, failed, forge_predictions, record_of, refused, rehome
from helpers.recorded import read_results

import weightbench as wb
from weightbench.benchmarks.records.predictions import read_predictions
from weightbench.benchmarks.records.result import Result
from weightbench.benchmarks.records.results_folder import read_result
from weightbench.leaderboard.board.command_line import command
from weightbench.zoo.exchange.import_zoo import import_zoo
from weightbench.zoo.recipes.catalogue import STANDARD, catalogue_entry


def test_honest_results_are_copied_and_make_a_board(runs: Path, submit, cli, tmp_path: Path) -> None:
    code, out, err = submit(runs)
    home = tmp_path / "home"
    assert (code, err) == (0, "")
    assert "3 results checked" in out
    assert "pull request" in out
    assert [p.relative_to(home / "results") for p, _ in read_results(home / "results")] == [
        p.relative_to(runs) for p, _ in read_results(runs)
    ]
    assert len(list((home / "results" / "zoos").iterdir())) == 1
    assert all(r.zoo.reference and r.method.reference for _, r in read_results(runs))
    assert not any(r.zoo.reference or r.method.reference for _, r in read_results(home / "results")), "places of mine"
    assert not list(home.rglob("*.traceback.txt"))
    assert cli("leaderboard", "--results", home / "results", "--out", home)[0] == 0
    assert cli("leaderboard", "--results", home / "results", "--out", home, "--check")[0] == 0
    boards = wb.boards(home / "results")
    assert boards.keys() == wb.boards(runs).keys()
    code, out, _ = submit(runs)
    assert code == 0
    assert "0 results checked" in out
    assert "3 were there already" in out


def test_a_relative_folder_does_as_well(runs: Path, submit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(runs.parent)
    _linked(record_of(runs))
    refused(Path(runs.name), tmp_path / "home", submit, "is a link")
    record_of(runs).with_suffix(".real").rename(record_of(runs))
    assert submit(Path(runs.name))[0] == 0


def test_failed_runs_are_carried_along_and_shown(runs: Path, submit, cli, tmp_path: Path) -> None:
    failed(record_of(runs))
    code, out, _ = submit(runs)
    home = tmp_path / "home"
    assert code == 0
    assert "3 results checked" in out
    assert "1 of them failed runs" in out
    assert len(read_results(home / "results")) == 3
    assert cli("leaderboard", "--results", home / "results", "--out", home)[0] == 0
    assert "seed 0 failed: RuntimeError: no luck" in (home / "README.md").read_text()
    assert wb.boards(home / "results")["inr-classification on digits-inrs@1.0.0"]["seeds"][0] == 1
    assert "3 were there already" in submit(runs)[1]


def test_a_forged_truth_does_not_pass(runs: Path, submit) -> None:
    """All labels are made what the method said: in the runs folder the score is 100 %."""
    path = record_of(runs)
    ids, arrays = read_predictions(path.with_suffix(".safetensors"), read_result(path).predictions.sha256)
    said = dict(zip(ids, arrays["logits"].argmax(1), strict=True))
    truth = next(runs.glob("zoos/*"))
    table = pq.read_table(truth)
    labels = [int(said[i]) for i in table.column("id").to_pylist()]
    place = table.column_names.index("label")
    forged = table.set_column(place, "label", [labels])
    pq.write_table(forged, truth)
    edit(path, score=100.0, scores={"accuracy": 100.0})
    with pytest.warns(UserWarning, match="claims"):
        assert wb.boards(runs)["inr-classification on digits-inrs@1.0.0"]["score"][0] > 60, (
            "it works on one's own board"
        )
    code, _, err = submit(runs)
    assert code == 2
    assert "claims accuracy 100.0, its predictions give" in err


def moved(**changes) -> Callable[[Path], None]:
    def attack(path: Path) -> None:
        edit(path, **changes)
        rehome(path)

    return attack


def edited(**changes) -> Callable[[Path], None]:
    return lambda path: edit(path, **changes)


def predictions(change, **claims) -> Callable[[Path], None]:
    return lambda path: forge_predictions(path, change, **claims)


def _fewer(ids, arrays):
    return ids[:-1], {name: values[:-1] for name, values in arrays.items()}


def _doubled(ids, arrays):
    return [ids[0], ids[0], *ids[2:]], arrays


def _others(ids, arrays):
    return [f"other-{i}" for i in ids], arrays


def _nan(ids, arrays):
    return ids, {"logits": np.where(arrays["logits"] == arrays["logits"].max(), np.nan, arrays["logits"])}


def _infinite(ids, arrays):
    return ids, {"logits": np.full_like(arrays["logits"], np.inf)}


def _short(ids, arrays):
    return ids, {"logits": arrays["logits"][:3]}


def _no_pixels(ids, arrays):
    return ids, {"pixels": arrays["pixels"][:0]}


def _errors_alone(ids, arrays):
    return ids, {"squared_error": np.zeros(len(ids), np.float32)}


def _brightened(ids, arrays):
    return ids, {"pixels": arrays["pixels"] // 2}


def _oversized(path: Path) -> None:
    with open(path.with_suffix(".safetensors"), "r+b") as stream:
        stream.truncate(64 * 2**20 + 1)  # a hole: no disk is used


def _garbage(path: Path) -> None:
    content = b"\xff" * 500
    path.with_suffix(".safetensors").write_bytes(content)
    edit(path, predictions__sha256=hashlib.sha256(content).hexdigest())


def _bomb(path: Path) -> None:
    """A few bytes that claim to unpack to ten gigabytes."""
    file = path.with_suffix(".safetensors")
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].replace(b"[24, 64]", b"[10000000000]").rstrip(b" ")
    header += b" " * (-len(header) % 8)
    content = len(header).to_bytes(8, "little") + header + content[8 + length :]
    file.write_bytes(content)
    edit(path, predictions__sha256=hashlib.sha256(content).hexdigest())


def _linked(path: Path) -> None:
    real = path.with_suffix(".real")
    path.rename(real)
    path.symlink_to(real)


def _copied_as_another_seed(path: Path) -> None:
    for suffix in (".json", ".safetensors"):
        shutil.copyfile(path.with_suffix(suffix), path.with_name(f"seed-9{suffix}"))


CLASSIFICATION = {
    "score": (edited(score=99.0), "score: claims accuracy 99.0, its predictions give"),
    "scores": (edited(scores={"accuracy": 99.0}), "score: claims"),
    "no score": (edited(score=None), "score: claims accuracy None"),
    "more scores": (edited(scores={"accuracy": 0.0, "fame": 9.0}), "score: claims"),
    "count": (edited(predictions__n=1000), "predictions.n: says 1000, the file holds 24"),
    "test size": (edited(zoo__n_test=10000), "zoo.n_test: says 10000, the zoo's test split has 24"),
    "direction": (edited(task__higher_is_better=False), "task.higher_is_better: says False, the task has True"),
    "metric": (edited(task__metric="dilation-mse"), "task.metric: says 'dilation-mse', the task has 'accuracy'"),
    "unit": (edited(task__unit="points"), "task.unit"),
    "task": (moved(task__name="inr-clasification"), "did you mean inr-classification"),
    "task version": (moved(task__version=7), "task.version: says 7"),
    "zoo version": (moved(zoo__version="2.0.0"), "zoo: digits-inrs@2.0.0-"),
    "zoo recipe": (moved(zoo__recipe_sha256="0" * 64), "-00000000 is neither"),
    "zoo": (moved(zoo__name="mnist-inrs"), "zoo: mnist-inrs@1.0.0"),
    "missing ids": (
        predictions(_fewer, predictions__n=23),
        "predictions for 23 networks, expected those for 24",
    ),
    "duplicated ids": (predictions(_doubled), "predictions for 23 networks"),
    "other ids": (
        predictions(_others),
        "expected those for 24 of the test split, 24 of which are missing",
    ),
    "too few logits": (predictions(_short), "found (3, 10)"),
    "nan": (predictions(_nan), "the array logits holds NaN or infinity"),
    "infinity": (predictions(_infinite), "the array logits holds NaN or infinity"),
    "nan in a record": (edited(cost__fit_s=float("nan")), "cost.fit_s"),
    "infinity in settings": (moved(method__params={"trees": float("inf")}), "method.params.trees: is inf"),
    "negative cost": (edited(cost__fit_s=-1.0), "cost.fit_s: Input should be greater than or equal to 0"),
    "oversized": (_oversized, "has 67,108,865 bytes, at most 67,108,864 are taken"),
    "garbage": (_garbage, "not a predictions file"),
    "future": (edited(schema=3), "schema: found 3, this version reads 1 and 2: update weightbench"),
    "unknown field": (edited(bribe=1), "bribe: Extra inputs"),
    "not json": (lambda path: path.write_text("{"), "the file: Invalid JSON"),
    "path": (edited(method__name="../../../../etc"), "method.name: '../../../../etc' is refused"),
    "absolute path": (edited(zoo__name="/etc/passwd"), "zoo.name: '/etc/passwd' is refused"),
    "dots": (edited(method__name=".."), "method.name: '..' is refused"),
    "predictions elsewhere": (edited(predictions__file="../../x.safetensors"), "predictions.file: is '../../x"),
    "script": (edited(method__name="<script>alert(1)</script>"), "method.name: '<script>alert(1)</script>' is refused"),
    "cyrillic": (edited(method__name="\u0440robegen"), r"method.name: '\u0440robegen' is refused"),
    "zero width": (edited(method__name="probe\u200bgen"), "method.name: 'probe\\u200bgen' is too long, or holds"),
    "right to left": (edited(method__name="\u202eprobegen"), "holds characters that do not print"),
    "full width": (edited(method__name="\uff50robegen"), "is refused; expected small letters"),
    "capitals": (edited(method__name="Probegen"), "is refused"),
    "newline": (edited(method__name="probegen\n"), "holds characters that do not print"),
    "too long": (edited(method__name="a" * 65), "is refused"),
    "bidi in settings": (moved(method__params={"trees": "\u2066x"}), "method.params.trees"),
    "bidi in a key": (edited(environment={"\u202ecpu": "x"}), "environment (a key)"),
    "confusable variant": (edited(method__variant="tr\u0435es=2"), "holds letters beyond ASCII"),
    "settings in name only": (edited(method__variant="trees=999"), "method.variant: 'trees=999' is not among"),
    "settings unsaid": (edited(method__variant=None), "method.variant: says None, these settings are 'trees=2'"),
    "boast": (edited(method__variant="trees=2 (state of the art)"), "is not among method.params"),
    "endless text": (edited(method__paper="x" * 2000), "method.paper"),
    "huge record": (lambda path: edit(path, environment={"cpu": "x" * 300_000}), "at most 262,144 are taken"),
    "edited settings": (edited(method__params={"trees": 2, "more": 1}), "its content belongs at"),
    "another seed": (_copied_as_another_seed, "seed-9.json: its content belongs at"),
    "link": (_linked, "is a link"),
}
DILATION = {
    "errors alone": (predictions(_errors_alone), "the array pixels should have the shape (24, 64), found none"),
    "no renderings": (predictions(_no_pixels), "the array pixels should have the shape (24, 64)"),
    "other renderings": (predictions(_brightened), "score: claims dilation-mse"),
    "an earlier version": (moved(task__version=1), "task.version: says 1, the task has 2"),
    "bomb": (_bomb, "the array pixels claims the shape [10000000000]"),
}


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_forged_records_are_refused(name: str, runs: Path, submit, tmp_path: Path) -> None:
    attack, message = CLASSIFICATION[name]
    attack(record_of(runs))
    refused(runs, tmp_path / "home", submit, message)


@pytest.mark.parametrize("name", DILATION)
def test_forged_renderings_are_refused(name: str, runs: Path, submit, tmp_path: Path) -> None:
    attack, message = DILATION[name]
    attack(record_of(runs, "inr-dilation"))
    refused(runs, tmp_path / "home", submit, message)


def test_a_zoo_that_is_nowhere_is_asked_for(runs: Path, cli, tmp_path: Path) -> None:
    code, _, err = cli("submit", runs, "--home", tmp_path / "home")
    assert code == 2
    assert "is neither on this machine nor in" in err
    assert "weightbench zoo build digits-inrs" in err


def test_parts_and_imports_are_found_in_the_cache(
    runs: Path, small_zoo: Path, cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIGHTBENCH_CACHE", str(tmp_path / "cache"))
    shutil.copytree(small_zoo, tmp_path / "cache/zoos/digits-inrs@1.0.0-limit-60")
    published.write_dwsnets_mnist(tmp_path / "theirs")
    imported = import_zoo("dwsnets", tmp_path / "theirs", name="theirs", activation="relu")
    wb.run("weight-norms", task="property", target="label", zoo="theirs", out=runs)
    code, out, err = cli("submit", runs, "--home", tmp_path / "home")
    assert (code, err) == (0, "")
    assert "4 results checked" in out

    shutil.rmtree(imported.folder)
    code, _, err = cli("submit", runs, "--home", tmp_path / "another")
    assert code == 2
    assert "theirs@1.0.0-" in err
    assert "say --zoo with its folder" in err
    assert "zoo build" not in err, "nothing builds an imported zoo"


@pytest.mark.parametrize("name", ["my--zoo", "my.zoo", "my\u0661"])
def test_what_no_zoo_may_be_called_is_refused_wherever_one_is_named(
    name: str, runs: Path, submit, tmp_path: Path, cli
) -> None:
    published.write_dwsnets_mnist(tmp_path / "theirs")
    recipe = (STANDARD / "digits-inrs.toml").read_text().replace('name = "digits-inrs"', f'name = "{name}"')
    (tmp_path / "mine.toml").write_text(recipe)
    refusals = {
        f"--name {name}": cli("zoo", "import", "dwsnets", tmp_path / "theirs", f"--name={name}"),
        "NAME@VERSION": cli("zoo", "get", "--repo-id", "lab/zoos", "--", f"{name}@1.0.0"),
        "name: String should match": cli("zoo", "build", tmp_path / "mine.toml"),
    }
    edit(record_of(runs), zoo__name=name)
    refusals["zoo.name: "] = submit(runs)
    for message, (code, _, err) in refusals.items():
        assert code == 2
        assert message in err


def test_a_full_disk_leaves_nothing(runs: Path, submit, tmp_path: Path) -> None:
    """A later file cannot be written: another one stands where its folder should be."""
    blocked = tmp_path / "home" / "results" / "inr-dilation"
    blocked.parent.mkdir(parents=True)
    blocked.touch()
    code, _, err = submit(runs)
    assert code == 2
    assert err.count("\n") == 1
    assert "nothing was submitted" in err
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == [blocked]


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


def test_markup_that_is_submitted_is_harmless(runs: Path, submit, cli, tmp_path: Path) -> None:
    """Texts that no rule forbids: each reaches the page escaped, and none leaves its cell of the Markdown table."""
    path = record_of(runs)
    record = json.loads(path.read_text())
    name = f"{HOSTILE} | [x](javascript:1)"
    record["method"] |= {"paper": HOSTILE, "variant": f"a={name}", "params": {"a": name, HOSTILE: 1}}
    record["environment"] |= {"cpu": f"=HYPERLINK({HOSTILE})", HOSTILE: HOSTILE}
    record["selection"] |= {"rule": HOSTILE}
    path.write_text(json.dumps(record))
    rehome(path)
    shutil.rmtree(path.parent)  # the other seed, of the settings as they were
    home = tmp_path / "home"
    assert submit(runs)[0] == 0
    assert cli("leaderboard", "--results", home / "results", "--out", home)[0] == 0
    page = (home / "index.html").read_text()
    own = page.count("<script")
    assert HOSTILE not in page
    assert "<img" not in page
    assert own == 9, "data, licences, three libraries, our four"
    assert "\"'=HYPERLINK" in (home / "scores.csv").read_text(), "a spreadsheet takes it as text"
    text = (home / "README.md").read_text()
    assert "<script" not in text
    assert "[x](" not in text
    rows = [line for line in text.splitlines() if "javascript" in line]
    assert rows
    assert all(
        row.count(" | ") == next(line for line in text.splitlines() if line.startswith("| method")).count(" | ")
        for row in rows
    )


PLUGIN = """
import weightbench as wb

class Mine(wb.Method):
    name = "mine"
    tasks = ("inr-classification",)
    power: int = 1

    def fit(self, task, train, val, *, seed, device):
        self.classes = task.output_dim

    def predict(self, networks):
        return networks.params[:, : self.classes] ** self.power
"""


def kept_by(text: str, cli, out: Path) -> int:
    """How many cells a printed command finds done."""
    *comments, line = text.splitlines()
    assert not comments, text
    words = shlex.split(line)
    assert words[:2] == ["weightbench", "run"]
    code, _, err = cli(*words[1:], "--out", out)
    assert code == 0, err
    return err.count("(kept)")


def test_the_printed_command_runs_the_row_again(
    small_zoo: Path, cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same cells, to the spec hash: of a zoo in a folder, of a part in the cache, of a method in a file."""
    monkeypatch.setenv("WEIGHTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    part = tmp_path / "cache" / "zoos" / "digits-inrs@1.0.0-limit-60"
    shutil.copytree(small_zoo, part)
    (tmp_path / "mine.py").write_text(PLUGIN)
    method = wb.load_method("ng-gnn", width=4, depth=1, epochs=1, aggregators=["mean", "max"])
    task = "inr-classification"
    results = wb.run(method, task=task, zoo=small_zoo, out="a", seeds=[0, 3])
    assert kept_by(command(results), cli, Path("a")) == 2
    results = wb.run("weight-norms", task=task, zoo=part.name, out="b")
    assert f"--zoo {part.name} " in command(results)
    assert kept_by(command(results), cli, Path("b")) == 1
    assert cli("run", "mine.py", "-p", "power=3", "--task", task, "--zoo", part, "--out", "c")[0] == 0
    (result,) = [result for _, result in read_results(Path("c"))]
    assert command([result]).startswith(f"weightbench run mine.py:Mine --task {task} --zoo {part.name} ")
    assert kept_by(command([result]), cli, Path("c")) == 1


def test_what_a_record_cannot_name_is_left_open_in_the_printed_command(honest: Path, small_zoo: Path) -> None:
    """In records from before references were kept, in submitted ones, and of methods that are objects of a program."""

    class Local(wb.Method):
        name = "local"
        tasks = ("inr-classification",)

        def fit(self, task, train, val, *, seed, device):
            self.classes = task.output_dim

        def predict(self, networks):
            return networks.params[:, : self.classes]

    (result,) = wb.run(Local(), task="inr-classification", zoo=small_zoo, out=honest.parent / "objects")
    comment, line = command([result]).splitlines()
    assert comment.startswith("# FILE.py: local, which is no method of this suite")
    assert line.startswith(f"weightbench run FILE.py --task inr-classification --zoo {small_zoo} ")
    record = json.loads(record_of(honest).read_text())
    for part in ("zoo", "method"):
        assert record[part].pop("reference")
    old = Result.model_validate(record)
    comment, line = command([old]).splitlines()
    assert comment.startswith("# DIR: not the whole digits-inrs@1.0.0, but a zoo of recipe ")
    assert line.startswith("weightbench run weight-stats --task inr-classification --zoo DIR ")
    old.zoo.recipe_sha256 = catalogue_entry("digits-inrs").recipe_sha256
    assert command([old]).startswith("weightbench run weight-stats --task inr-classification --zoo digits-inrs@1.0.0 ")
    old.task.options.also = "mnist-inrs@1.0.0-00000000"
    comment, line = command([old]).splitlines()
    assert comment == "# ALSO_DIR: mnist-inrs@1.0.0-00000000"
    assert "--also ALSO_DIR " in line


def test_a_printed_command_is_quoted(honest: Path) -> None:
    results = [read_result(record_of(honest))]
    hostile = results[0].model_copy(deep=True)
    hostile.method.params = {"name": "x; rm -rf ~ #", "other": "$(reboot) `id` '"}
    assert {"name=x; rm -rf ~ #", "other=$(reboot) `id` '"} <= set(shlex.split(command([hostile]), comments=True))


def test_a_random_search_is_submitted_with_all_of_its_trials(submit, small_zoo: Path, tmp_path: Path) -> None:
    runs = tmp_path / "searched"
    found = wb.run(
        wb.load_method("mlp", epochs=1), task="inr-classification", zoo=small_zoo, out=runs, trials=2, seeds=[0, 1]
    )
    rejected = next(r for r in found if sum(other.spec.hash == r.spec.hash for other in found) == 1)
    kept = shutil.move(runs / rejected.path, tmp_path / "record.json")
    code, _, error = submit(runs)
    assert code == 2
    assert "is missing beside trial" in error
    shutil.move(kept, runs / rejected.path)
    code, output, error = submit(runs)
    assert code == 0, output + error
