"""The overview: which board stands for a task, which row for a method, what is marked, what it says of the field."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.recorded import put_in_place, rewritten, with_tie_groups

from weightbench.leaderboard.board.board import load_boards
from weightbench.leaderboard.board.overview import Cell, Overview, by_task, overview

RECORDS = Path(__file__).parents[2] / "fixtures" / "records" / "2"
TRUTH = "digits-inrs@1.0.0-55a9b2ee"
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two tasks on digits-inrs: five methods, one of which failed, on classification, and two on dilation."""
    return Path(shutil.copytree(RECORDS, tmp_path / "results"))


def changed(results: Path, change: Change) -> None:
    rewritten(results, change)
    put_in_place(results)


def added(results: Path, change: Change, *methods: str, truth: str = "") -> None:
    """Add the classification results of these methods once more, changed; `truth` is that of another zoo or split."""
    copy = results.with_name("copy")
    for method in methods:
        place = Path("inr-classification", "digits-inrs", method)
        shutil.copytree(results / place, copy / place)
    changed(copy, change)
    shutil.copytree(copy, results, dirs_exist_ok=True)
    shutil.rmtree(copy)
    if truth:
        shutil.copyfile(results / "zoos" / f"{TRUTH}.parquet", results / "zoos" / f"{truth}.parquet")


def called(old: str, new: str, task: str = "inr-classification") -> Change:
    def change(record: dict[str, Any]) -> None:
        if record["method"]["name"] == old and record["task"]["name"] == task:
            record["method"]["name"] = new

    return change


def of(results: Path) -> Overview:
    return overview(load_boards(results))


def cells(found: Overview, task: str) -> dict[str, Cell]:
    """The cells of a column that are not blank, by method."""
    (at,) = [at for at, column in enumerate(found.columns) if column.board.task == task]
    return {line.method: cell for line in found.lines if (cell := line.cells[at]) is not None}


def marks(found: Overview, task: str) -> dict[str, str]:
    return {method: cell.mark for method, cell in cells(found, task).items() if cell.mark}


def test_cells_are_scores_of_the_board_and_blank_where_a_method_was_not_run(results: Path) -> None:
    found = of(results)
    assert [column.board.task for column in found.columns] == ["inr-classification", "inr-dilation"]
    lines = {line.method: [cell and cell.score for cell in line.cells] for line in found.lines}
    assert lines == {
        "probegen": ["50.00 ± 5.89", None],
        "weight-stats": ["20.83 ± 0.00", None],
        "ng-gnn": ["14.58 ± 2.95", "28.76 ± 4.91"],
        "mlp": ["8.33 ± 11.79", "25.67 ± 0.06"],
        "broken": ["failed", None],
    }
    assert [(name, [line.method for line in lines]) for name, lines in found.groups()] == [
        ("methods", ["probegen", "ng-gnn", "broken"]),
        ("baselines", ["weight-stats", "mlp"]),
    ]
    for task in ("inr-classification", "inr-dilation"):
        (column,) = [column for column in found.columns if column.board.task == task]
        for method, cell in cells(found, task).items():
            assert column.board.evidence[cell.row].first.method.name == method


def test_tasks_stand_in_the_order_of_the_mission_and_other_ones_after_them(results: Path) -> None:
    boards = load_boards(results)
    assert [task for task, _ in by_task(boards[::-1])] == ["inr-classification", "inr-dilation"]
    changed(results, lambda record: record["task"].update(name=record["task"]["name"].replace("inr-cl", "a-cl")))
    boards = load_boards(results)
    assert [task for task, _ in by_task(boards)] == ["inr-dilation", "a-classification"]


def test_the_board_with_most_methods_stands_for_its_task(results: Path) -> None:
    def smaller(record: dict[str, Any]) -> None:
        record["zoo"].update(name="another")

    added(results, smaller, "probegen", "mlp", truth="another@1.0.0-55a9b2ee")
    assert [column.board.zoo for column in of(results).columns] == ["digits-inrs", "digits-inrs"]
    added(results, smaller, "weight-stats", "ng-gnn")
    assert of(results).columns[0].board.zoo == "another", "as many scored methods and test networks: the first"

    def larger(record: dict[str, Any]) -> None:
        if record["zoo"]["name"] == "digits-inrs" and record["task"]["name"] == "inr-classification":
            record["zoo"]["n_test"] += 1

    changed(results, larger)
    assert of(results).columns[0].board.zoo == "digits-inrs", "as many methods, more test networks"


def test_a_board_within_runs_stands_only_where_there_is_no_other(results: Path) -> None:
    def within(record: dict[str, Any]) -> None:
        record["task"]["options"]["split"] = "within-run"

    def remove_official(*methods: str) -> None:
        for record in results.glob("inr-classification/*/*/*/seed-*.json"):
            if record.parts[-3] in methods and "within-run" not in record.read_text():
                record.unlink()

    added(results, within, "probegen", "weight-stats", "ng-gnn", "mlp", truth=f"{TRUTH}-within-run")
    remove_official("probegen", "weight-stats", "ng-gnn", "broken")
    found = of(results)
    assert not found.columns[0].board.leaks
    assert set(cells(found, "inr-classification")) == {"mlp"}, "one method is enough"
    remove_official("mlp")
    assert of(results).columns[0].board.leaks


@pytest.mark.parametrize(("val_score", "shown"), [(1.0, "8.33 ± 11.79"), (99.0, "50.00 ± 5.89")])
def test_of_several_rows_the_best_on_the_validation_split_is_shown(
    results: Path, cli, val_score: float, shown: str
) -> None:
    """Another mlp with probegen's predictions: better on the test split, whatever the validation split says."""

    def another(record: dict[str, Any]) -> None:
        record["method"].update(name="mlp", variant="width=1")
        record["selection"]["val_score"] = val_score

    added(results, another, "probegen")
    cell = cells(of(results), "inr-classification")["mlp"]
    assert cell.score == shown
    assert cell.label.startswith("mlp (width=1)") == (val_score == 99)
    (found,) = json.loads(cli("diff", "mlp", "weight-stats", "--results", results, "--json")[1])
    assert (found["a"], f"{found['score_a']:.2f}") == (cell.label, shown.split()[0]), "diff takes the same row"
    (other,) = json.loads(cli("diff", "mlp (width=1)", "weight-stats", "--results", results, "--json")[1])
    assert f"{other['score_a']:.2f}" == "50.00", "and that of a label where it has one"


@pytest.mark.parametrize(("val_score", "device"), [(1.0, "CPU"), (99.0, "NVIDIA H200")])
def test_diff_takes_one_of_a_row_s_machines_and_names_it(results: Path, cli, val_score: float, device: str) -> None:
    def on_a_gpu(record: dict[str, Any]) -> None:
        if record["method"]["name"] == "probegen" and record["seed"] == 1:
            record["environment"].update(device="cuda", gpu="NVIDIA H200")
            record["selection"]["val_score"] = val_score

    changed(results, on_a_gpu)
    (board,) = [board for board in load_boards(results) if board.task == "inr-classification"]
    first = board.results[0][0]
    for name in ("probegen", first.spec.hash):
        (found,) = json.loads(cli("diff", name, "mlp", "--results", results, "--json")[1])
        assert (found["a"], found["b"]) == (f"{first.method.label}, {device}", "mlp, CPU")


def test_diff_refuses_the_start_of_several_specs(results: Path, cli) -> None:
    def by_other_code(record: dict[str, Any]) -> None:
        if record["method"]["name"] == "probegen" and record["task"]["name"] == "inr-classification":
            record["environment"]["code_sha256"] = str(record["seed"]) * 64

    changed(results, by_other_code)
    (board,) = [board for board in load_boards(results) if board.task == "inr-classification"]
    specs = sorted(board.rows["spec"][board.rows["method"].str.startswith("probegen")])
    code, _, err = cli("diff", specs[0].partition("+")[0], "mlp", "--results", results)
    assert code == 2
    assert f"is the start of {specs[0]} and {specs[1]}" in err
    assert cli("diff", specs[0], "mlp", "--results", results)[0] == 0


def test_best_and_tied_are_the_first_tie_group(results: Path) -> None:
    found = of(with_tie_groups(results))
    assert marks(found, "inr-dilation") == {"mlp": "best", "ng-gnn": "tied"}
    tied = dict.fromkeys(["weight-stats", "ng-gnn"], "tied")
    assert marks(found, "inr-classification") == {"probegen": "best"} | tied, "mlp opens group 2"
    assert found.state == (
        "Of 5 methods and baselines on 2 tasks the best are probegen (inr-classification) and mlp (inr-dilation); on "
        "inr-classification and inr-dilation others cannot be told from the best. A baseline is best or tied for best "
        "on 2 of 2 tasks."
    )


def test_without_tie_groups_the_best_score_is_marked_and_nothing_is_said_to_be_tested(results: Path) -> None:
    found = of(results)
    assert marks(found, "inr-classification") == {"probegen": "best"}
    assert marks(found, "inr-dilation") == {"mlp": "best"}
    assert "on inr-classification and inr-dilation seeds or units are too few to tell" in found.state


def test_a_better_ceiling_without_tie_groups_is_not_reached(results: Path) -> None:
    changed(results, called("probegen", "inr-decode"))
    assert "the ceiling, inr-decode with 50.00 ± 5.89, is not reached (20.83 ± 0.00)" in of(results).state


def test_a_control_does_not_compete(results: Path) -> None:
    with_tie_groups(results)
    changed(results, called("weight-stats", "constant"))
    found = of(results)
    assert "constant" not in marks(found, "inr-classification")
    assert [line.method for line in dict(found.groups())["ceilings and controls"]] == ["constant"]


def test_a_ceiling_is_apart_and_a_floor_competes(results: Path) -> None:
    with_tie_groups(results)
    changed(results, called("probegen", "inr-decode"))
    changed(results, called("mlp", "inr-decode", "inr-dilation"))
    changed(results, called("weight-stats", "weight-norms"))
    found = of(results)
    assert marks(found, "inr-classification") == {"weight-norms": "best", "ng-gnn": "tied"}
    assert marks(found, "inr-dilation") == {"ng-gnn": "best"}
    assert [(name, [line.method for line in lines]) for name, lines in found.groups()][-1] == (
        "ceilings and controls",
        ["inr-decode"],
    )
    assert re.search(
        r"on inr-classification the ceiling, inr-decode with 51.39 ± \d.\d\d, is reached \(20.83", found.state
    )
    assert re.search(r"on inr-dilation the ceiling, inr-decode with 25.65 ± \d.\d\d, is reached \(27.60", found.state)
    assert "A baseline is best or tied for best on 1 of 2 tasks" in found.state


def test_classes_of_hardware_are_never_mixed(results: Path) -> None:
    def on_gpu(record: dict[str, Any]) -> None:
        if record["method"]["name"] in ("weight-stats", "ng-gnn", "mlp"):
            record["environment"]["gpu"] = "A GPU"

    changed(results, on_gpu)
    found = of(results)
    assert found.columns[0].device == "A GPU"
    assert found.columns[0].where.endswith("on digits-inrs, A GPU")
    assert set(cells(found, "inr-classification")) == {"weight-stats", "ng-gnn", "mlp"}


def test_without_scores_there_is_no_column_and_no_sentence(results: Path) -> None:
    for method in results.glob("*/*/*"):
        if method.name != "broken":
            shutil.rmtree(method)
    assert (of(results).columns, of(results).state) == ([], "")
    assert overview([]).state == ""
