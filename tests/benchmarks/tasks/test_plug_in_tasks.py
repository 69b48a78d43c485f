"""Tasks of one's own: by path, class and entry point they run like those of the suite, and `check` holds them to it."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import planted_zoo
from helpers.recorded import read_results
from scipy.stats import kendalltau

import weightbench as wb
from weightbench.benchmarks.checks.task_check import ANSWER_CHECKS, CHECKS, UNTOUCHED_CHECKS, check_task
from weightbench.benchmarks.records.predictions import read_predictions
from weightbench.benchmarks.records.results_folder import ResultsFolder
from weightbench.benchmarks.running.measure_cell import run_cell
from weightbench.benchmarks.running.plan_cells import planned_cell
from weightbench.benchmarks.task.builtin import builtin_tasks
from weightbench.leaderboard.board.board import load_boards
from weightbench.leaderboard.board.command_line import command
from weightbench.leaderboard.pages.board_tables import facts, identities

ROOT = Path(__file__).parents[3]
NETWORKS = 200


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> wb.Zoo:
    """Runs of ten networks each; the epoch shows in the weights."""
    found = planted_zoo.networks((4, 8, 3), NETWORKS)
    epoch = np.tile(np.arange(10), NETWORKS // 10)
    found.params.mul_(1 + 0.2 * wb.Networks(found.arch, found.params).params.new_tensor(epoch)[:, None])
    extra = {"epoch": epoch, "test_accuracy": epoch / 10, "train_accuracy": np.arange(NETWORKS) / NETWORKS}
    return planted_zoo.write_zoo(tmp_path_factory.mktemp("snapshots") / "zoo", {"only": found}, extra=extra)


@pytest.fixture
def file(tmp_path: Path, cli) -> Path:
    """What `weightbench new-task epoch-decoding` writes."""
    assert cli("new-task", "epoch-decoding", "--out", tmp_path)[0] == 0
    return tmp_path / "epoch_decoding.py"


def test_the_documented_task_is_the_one_that_is_written(file: Path) -> None:
    assert f"```python\n{file.read_text()}```" in (ROOT / "docs" / "tasks.md").read_text()


def test_a_new_task_runs_and_its_target_is_what_it_is_scored_by(file: Path, zoo: wb.Zoo, tmp_path: Path) -> None:
    (result,) = wb.run("weight-norms", task=str(file), zoo=zoo, out=tmp_path / "runs")
    assert (result.status, result.error) == ("ok", None)
    assert result.task.options.target == "epoch"
    assert (result.task.metric, result.task.reference) == ("kendall-tau", f"{file}:EpochDecoding")
    ((path, _),) = read_results(tmp_path / "runs")
    ids, arrays = read_predictions(path.with_suffix(".safetensors"), result.predictions.sha256)
    epochs = zoo["test"].table.set_index("id").loc[ids]["epoch"]
    assert result.score == pytest.approx(kendalltau(epochs, arrays["values"][:, 0]).statistic)
    assert result.score > 0.3
    sha256 = result.task.source_sha256
    assert result.task.version == f"1+{sha256[:12]}"
    assert (tmp_path / "runs" / "sources" / f"{sha256}.py").read_bytes() == file.read_bytes()
    assert f"--task {file}" in command([result])
    nameless = result.model_copy(update={"task": result.task.model_copy(update={"reference": None})})
    assert f"# TASK.py: epoch-decoding, which is no task of this suite: sources/{sha256}.py" in command([nameless])


def test_a_fixed_target_may_be_named_but_not_changed(file: Path, zoo: wb.Zoo) -> None:
    task = wb.load_task(str(file), zoo, target="epoch")
    assert task.options == wb.load_task(f"{file}:EpochDecoding", zoo).options
    with pytest.raises(wb.BadInput, match="takes no target, but is given 'run'"):
        wb.load_task(str(file), zoo, target="run")


def test_an_edited_task_has_a_board_of_its_own(file: Path, zoo: wb.Zoo, tmp_path: Path, cli) -> None:
    out = tmp_path / "runs"
    arguments = ("run", "weight-norms", "--task", file, "--zoo", zoo.folder, "--out", out)
    assert cli(*arguments)[0] == 0
    assert "(kept)" in cli(*arguments)[2]
    file.write_text(file.read_text().replace("kendall-tau", "pearson-r"))
    assert "(kept)" not in cli(*arguments)[2]
    file.write_text(file.read_text() + "# edited\n")
    code, text, err = cli(*arguments)
    assert "(kept)" not in err
    assert len(re.findall(r"epoch-decoding@1\+[0-9a-f]{12} of epoch", text)) == 1, "the other boards are not asked for"
    boards = load_boards(out)
    assert len(boards) == len(wb.boards(out)) == len(set(identities(boards))) == 3
    titles = {f"epoch-decoding@{board.task_version} of epoch (across-runs) on planted@1.0.0" for board in boards}
    assert {board.title for board in boards} == titles
    assert all("the task is no part of the suite" in facts(board) for board in boards)
    code, text, _ = cli("leaderboard", "--results", out, "--json")
    assert code == 0
    assert len(set(re.findall(r'"task_version": "(1\+[0-9a-f]{12})"', text))) == 3
    assert len(list((out / "sources").iterdir())) == 3


def test_a_suite_in_several_processes_gives_the_results_of_one(file: Path, zoo: wb.Zoo, tmp_path: Path, cli) -> None:
    suite = tmp_path / "own.toml"
    suite.write_text(
        f'description = "a test"\nseeds = [0, 1]\n[[runs]]\ntask = "{file}"\nzoo = "{zoo.folder}"\n'
        'split = ["across-runs", "within-run"]\nmethods = [{ name = "weight-stats", trees = 3 }]\n'
    )
    for name, jobs in (("one", 1), ("two", 2)):
        code, _, err = cli("run", "--suite", suite, "--jobs", jobs, "--device", "cpu", "--out", tmp_path / name)
        assert code == 0, err
    one, two = ([(r.spec.hash, r.predictions.sha256) for _, r in read_results(tmp_path / n)] for n in ("one", "two"))
    assert one == two
    assert len(one) == 4
    code, text, _ = cli("status", tmp_path / "two", "--suite", suite)
    assert code == 0
    assert "4 done, 0 running, 0 failed, 0 missing" in text


def test_a_process_that_gets_an_edited_file_says_so(file: Path, zoo: wb.Zoo, tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path / "runs")
    cell = planned_cell(wb.load_task(str(file), zoo), wb.load_method("weight-norms"), 0, folder)
    packed = pickle.dumps(cell)
    file.write_text(file.read_text().replace("how long", "how very long"))
    elsewhere = run_cell(pickle.loads(packed), device="cpu")
    assert elsewhere.status == "failed"
    assert "was edited while this ran: run the same command again" in elsewhere.error
    here = run_cell(cell, device="cpu")  # what runs is what was loaded, and that is what is kept
    assert here.status == "ok"
    assert b"how long" in folder.source_path(here.task.source_sha256).read_bytes()


def test_a_class_of_a_program_is_a_task(zoo: wb.Zoo, tmp_path: Path) -> None:
    class Drift(wb.ColumnTask):
        name = "drift"
        family = "property"
        description = "a difference of two columns"
        fixed_target = "epoch - run"

    (result,) = wb.run("weight-norms", task=Drift, zoo=zoo, out=tmp_path)
    assert (result.status, result.task.reference) == ("ok", None)
    assert result.task.title == "drift of epoch - run (across-runs)"
    del Drift.description
    for wrong, message in ((Drift, "sets no `description`"), (wb.Method, "gives <class"), (3, "gives 3, not a")):
        with pytest.raises(wb.BadInput, match=message):
            wb.run("weight-norms", task=wrong, zoo=zoo, out=tmp_path)


def test_an_installed_task_goes_by_its_name(file: Path, zoo: wb.Zoo, tmp_path: Path, cli, monkeypatch) -> None:
    site = tmp_path / "site"
    (site / "clocks-1.0.dist-info").mkdir(parents=True)
    (site / "clocks-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: clocks\nVersion: 1.0\n")
    points = "[weightbench.tasks]\nepoch-decoding = clocks:EpochDecoding\nproperty = clocks:EpochDecoding\n"
    (site / "clocks-1.0.dist-info" / "entry_points.txt").write_text(points)
    (site / "clocks.py").write_text(file.read_text())
    monkeypatch.syspath_prepend(site)
    (result,) = wb.run("weight-norms", task="epoch-decoding", zoo=zoo, out=tmp_path / "runs")
    assert (result.status, result.task.reference) == ("ok", "epoch-decoding")
    assert result.task.version.startswith("1+")
    assert "Tell for how long a network was trained" in cli("tasks")[1]
    assert wb.load_task("property", zoo, target="run").name == "property", "no plug-in stands in for one of the suite"


OWN = """
import weightbench as wb

class Own(wb.ColumnTask):
    name = "own"
    family = "property"
    description = "a test"
    fixed_target = "epoch"
"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1", "has no subclass of weightbench.ColumnTask, LearnedTask or Task"),
        ("import weightbench as wb\nx = wb.Task", "has no subclass"),
        ("class Own(:\n    pass", "cannot be imported: SyntaxError"),
        ("raise ValueError('one\\ntwo')", "cannot be imported: ValueError: one two"),
        (OWN + OWN.replace("Own", "Other"), "own.py has several tasks: say"),
        (OWN.replace('"own"', '"property"'), "property is a task of the suite: give your own another name"),
        (OWN.replace('"own"', '"../own"'), "a task's name has small letters, digits and single dashes"),
        (OWN.replace('description = "a test"', ""), "class Own sets no `description`"),
        (OWN.replace("ColumnTask", "LearnedTask"), "class Own has no `evidence`, `loss`, `observe`"),
        (OWN + '    metric = "rmse"', "metric 'rmse': a task names one of the suite's metrics, accuracy, pearson-r"),
        (OWN + '    metric = "accuracy"', "metric accuracy is of classes, but epoch of zoo planted holds numbers"),
        (OWN.replace('"epoch"', '"size"') + '    metric = "r2"', "metric r2 is of numbers, but size of zoo planted"),
        (OWN + '    output = "text"', "output 'text': a task asks for one of logits, values"),
        (OWN.replace('"epoch"', '"step"'), "unknown column 'step'"),
        (OWN + '    needs = ("step",)', "task own needs the columns ['step'], which zoo planted does not have"),
        (OWN.replace('    family = "property"\n', ""), "method weight-norms supports"),
    ],
)
def test_what_is_no_task_is_one_line(content: str, message: str, zoo: wb.Zoo, tmp_path: Path, cli) -> None:
    path = tmp_path / "own.py"
    path.write_text(content)
    code, out, err = cli("run", "weight-norms", "--task", path, "--zoo", zoo.folder, "--out", tmp_path / "runs")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "weight-norms", "--task", "absent.py", "--zoo", "ZOO"), "absent.py: no such file"),
        (("check", "absent.py", "--zoo", "ZOO"), "absent.py: no such file"),
        (("run", "weight-norms", "--task", "own.py:Other", "--zoo", "ZOO"), "unknown task class in own.py 'Other'"),
        (("check", "own.py"), "a task is checked on a zoo: say --zoo"),
        (("check", "own.py", "--zoo", "ZOO", "-p", "width=3"), "-p is for methods"),
        (("check", "both.py", "--zoo", "ZOO"), "both.py: holds a method and a task: say both.py:Class"),
        (("check", "mlp", "--zoo", "ZOO"), "--zoo, --split and --target are for tasks, and mlp is none"),
        (("new-task", "property"), "property: is a task of the suite"),
        (("new-task", "My Task"), "a task's name has small letters"),
    ],
)
def test_wrong_commands_are_one_line(arguments, message: str, zoo: wb.Zoo, tmp_path: Path, cli, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    method = '\nclass Method(wb.Method):\n    name = "both"\n    tasks = ("own",)\n'
    Path("both.py").write_text(OWN + method)
    code, out, err = cli(*(zoo.folder if argument == "ZOO" else argument for argument in arguments))
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both.py", "own.py"]


@pytest.mark.parametrize(
    ("name", "target", "split"),
    [
        ("property", "epoch", None),
        ("property", "epoch", "within-run"),
        ("property", "size", None),
        ("accuracy-decoding", "train", None),
        ("generalization-gap", None, None),
        ("network-classification", "size", None),
        ("network-retrieval", "sign", None),
        ("neuron-alignment", "copies", None),
        ("inr-classification", None, None),
        ("inr-dilation", None, None),
    ],
)
def test_every_task_of_the_suite_keeps_the_contract(
    name: str, target: str | None, split: str | None, zoo: wb.Zoo, small_zoo: Path
) -> None:
    task = wb.load_task(name, small_zoo if name.startswith("inr-") else zoo, target=target, split=split)
    findings = list(check_task(task))
    answered = ANSWER_CHECKS if task.output in ("logits", "values") else UNTOUCHED_CHECKS
    assert [finding.check for finding in findings] == [*CHECKS, *answered]
    assert not [finding for finding in findings if not finding.kept]


def test_every_task_of_the_suite_is_among_those_checked() -> None:
    (mark,) = test_every_task_of_the_suite_keeps_the_contract.pytestmark
    assert {name for name, *_ in mark.args[1]} == set(builtin_tasks())


BREAKING = """
import dataclasses
import numpy as np
import torch
import weightbench as wb

HOW = "{how}"

class Wrong(wb.ColumnTask):
    name = "wrong"
    family = "property"
    description = "a test"
    fixed_target = "size" if HOW == "constant" else "epoch"
    metric = "accuracy" if HOW == "constant" else "kendall-tau"

    def _target(self, given):
        return ("run" if given else "epoch") if HOW == "turns" else super()._target(given)

    @property
    def splits(self):
        found = dict(super().splits)
        if HOW == "shares":
            found["val"] = dataclasses.replace(found["train"], name="val")
        if HOW == "renames":
            found["test"] = dataclasses.replace(found["test"], name="val")
        return found

    def inputs(self, split):
        if HOW != "holds":
            return super().inputs(split)
        (found,), values = super().inputs(split), self.targets(split)
        return [wb.Networks(found.arch, torch.cat([found.params[:, :-1], 3 * values + 1], 1))]

    def targets(self, split):
        found = super().targets(split)
        if HOW == "constant" and split.name == "test":
            return torch.zeros_like(found)
        return found + torch.nan if HOW == "nan" else found.log1p() if HOW == "derived" else found

    def loss(self, output, targets):
        return (output.detach() - targets).square().mean() if HOW == "flat" else super().loss(output, targets)

    def observe(self, output):
        return -output if HOW == "turned" else output

    def evidence(self, observed, split):
        if HOW == "whole":
            return {{"values": observed.nan_to_num().float().numpy()}}
        if HOW == "lost":
            return {{"numbers": observed.numpy()}}
        if HOW == "sorted":
            return {{"values": observed.sort(0).values.numpy()}}
        return super().evidence(observed, split)

    def __reduce__(self):
        if HOW == "closure":
            return (lambda: None), ()
        return super().__reduce__()
"""


@pytest.mark.parametrize(
    ("how", "broken", "why"),
    [
        ("", None, ""),
        ("turns", "options", "made again from its options"),
        ("shares", "splits", "values of id are in train and in val"),
        ("renames", "splits", "expected train, val and test"),
        ("renames", "inputs", "fit gets the targets of the test split"),
        ("holds", "inputs", "is the target"),
        ("nan", "targets", "not finite"),
        ("flat", "targets", "does not require grad"),
        ("closure", "round trip", "pickle"),
        ("turned", "perfect answers", "perfect answers have kendall-tau -1, the best is 1"),
        ("lost", "perfect answers", "the array values should have the shape"),
        ("constant", "perfect answers", "the best is 100"),
        ("sorted", "from files alone", "the task's own `quality` is"),
        ("whole", "bad answers", "NaN is scored as if nothing were wrong"),
    ],
)
def test_the_contract_tells_what_is_broken(
    how: str, broken: str | None, why: str, zoo: wb.Zoo, tmp_path: Path, cli
) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(BREAKING.format(how=how))
    code, text, err = cli("check", path, "--zoo", zoo.folder)
    assert code == (1 if broken else 0), err
    lines = [line for line in text.splitlines() if line.startswith("broken")]
    assert any(f" {broken} " in line and why in line for line in lines) if broken else not lines
    assert err == ""
    assert len(text.splitlines()) == len(CHECKS) + len(ANSWER_CHECKS) + 1


def test_the_suites_board_takes_no_task_that_is_not_its_own(file: Path, zoo: wb.Zoo, tmp_path: Path, cli) -> None:
    out = tmp_path / "runs"
    wb.run("weight-norms", task=str(file), zoo=zoo, out=out)
    code, text, err = cli("submit", out, "--zoo", zoo.folder, "--home", tmp_path / "home")
    assert (code, text) == (2, "")
    assert "task.name: epoch-decoding is no task of the suite" in err
    assert "CONTRIBUTING.md" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "home").exists()
