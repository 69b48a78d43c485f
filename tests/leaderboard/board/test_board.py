"""Boards from records: equal files whatever the order, drift found, old records read, nothing heavy imported."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from helpers import planted_zoo
from helpers.recorded import put_in_place, read_results, rewritten

import weightbench as wb
from weightbench.benchmarks.records.migration import migrate
from weightbench.benchmarks.records.result import Result
from weightbench.benchmarks.records.results_folder import ResultsFolder, read_record, read_result
from weightbench.benchmarks.records.zoo_identity import ZooIdentity
from weightbench.benchmarks.tasks.property import Property
from weightbench.leaderboard.board.average_ranking import rankings
from weightbench.leaderboard.board.board import load_boards
from weightbench.leaderboard.board.columns import COLUMNS, number
from weightbench.leaderboard.board.overview import overview
from weightbench.leaderboard.pages.board_files import board_files, markdown
from weightbench.runtime.errors import BadInput
from weightbench.zoo.recipes.catalogue import catalogue_entry

RECORDS = Path(__file__).parents[2] / "fixtures" / "records"
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder: five methods, two seeds, two tasks, one failure."""
    return Path(shutil.copytree(RECORDS / "2", tmp_path / "results"))


@pytest.mark.parametrize("folder", sorted(RECORDS.iterdir()), ids=lambda folder: f"schema {folder.name}")
def test_records_of_every_schema_load_and_score_as_they_did(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text())
    boards = load_boards(folder)
    found = {board.title: board.rows.set_index("method")["score"].dropna().to_dict() for board in boards}
    assert found == {title: pytest.approx(rows) for title, rows in expected.items()}
    assert {result.status for _, result in read_results(folder)} == {"ok", "failed"}


def test_results_in_any_order_from_any_machine_give_equal_files(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = board_files(load_boards(results))
    assert board_files(load_boards(results)) == first, "from the cache"
    monkeypatch.setenv("WEIGHTBENCH_CACHE", str(tmp_path / "other cache"))
    assert board_files(load_boards(results)) == first
    for file in (tmp_path / "other cache" / "boards").iterdir():
        file.write_bytes(file.read_bytes()[:1000])
    assert board_files(load_boards(results)) == first, "a damaged cache is computed anew"
    moved = tmp_path / "elsewhere" / "copied"
    for file in sorted((path for path in results.rglob("*") if path.is_file()), reverse=True):
        target = moved / file.relative_to(results)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    rewritten(moved, lambda record: None)  # the same content in other bytes
    assert board_files(load_boards(moved)) == first


def test_boards_of_equal_predictions_keep_their_own_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Embeddings of one encoder are the same files for every target: what is asked of them is not."""
    monkeypatch.setenv("WEIGHTBENCH_CACHE", str(tmp_path / "cache"))
    zoo = planted_zoo.write_zoo(tmp_path / "zoo", {"only": planted_zoo.networks((4, 6, 3), 200)})
    out = tmp_path / "runs"
    results = [
        wb.run("weight-norms", task="network-retrieval", zoo=zoo, target=name, protocol="representation", out=out)[0]
        for name in ("size", "sign")
    ]
    assert results[0].predictions.sha256 == results[1].predictions.sha256
    assert results[0].score != results[1].score
    for _ in ("computed", "cached"):
        found = {board.options.target: board.rows["score"][0] for board in load_boards(out)}
        assert found == {r.task.options.target: pytest.approx(r.score) for r in results}


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """A part of the committed results, three seeds: 720 runs by themselves, and pairs of 4 and of 20 runs."""
    there, here = ROOT / "leaderboard" / "results", tmp_path / "official"
    for part in ("property/digits-mlps", "neuron-alignment/moons-mlps"):
        shutil.copytree(there / part, here / part)
    (here / "zoos").mkdir()
    for zoo in ("digits-mlps", "moons-mlps"):
        for truth in there.glob(f"zoos/{zoo}@*"):
            shutil.copyfile(truth, here / "zoos" / truth.name)
    return here


def test_a_board_has_intervals_and_groups(official: Path) -> None:
    scored = wb.boards(official)["property of lr on digits-mlps@1.0.0"]
    assert scored["score"].is_monotonic_decreasing
    assert (scored["low"] <= scored["score"]).all()
    assert (scored["score"] <= scored["high"]).all()
    assert set(scored["over"]) == {"runs and seeds"}
    assert scored["group"].iloc[0] == 1
    assert scored["group"].is_monotonic_increasing


def test_too_few_units_have_their_number_in_place_of_an_interval(official: Path) -> None:
    files = board_files(load_boards(official))
    assert "training and 720 test networks (720 runs);" in files["README.md"]
    assert "training and 884 test networks (4 pairs of runs);" in files["README.md"]
    assert "training and 884 test networks (4 pairs of runs);" in files["index.html"]
    rows = [line for line in files["README.md"].splitlines() if line.startswith("| identity-matching |")]
    assert any(" | 4 pairs of runs | control | " in row for row in rows)
    table = pd.read_csv(io.StringIO(files["scores.csv"]))
    pairs = table[table["task"] == "neuron-alignment"]
    assert pairs[["low", "high", "over", "group"]].isna().all(axis=None)
    assert pairs.groupby("options")["units"].unique().map(list).tolist() == [[4], [20]]
    assert set(pairs["unit"]) == {"pair of runs"}
    assert "4 pairs of runs" in files["index.html"].split('id="data"')[1]


def test_an_interval_of_too_few_seeds_says_so_and_makes_no_group(official: Path, cli) -> None:
    for path in official.glob("property/*/*/*/seed-2.*"):
        path.unlink()
    files = board_files(load_boards(official))
    table = pd.read_csv(io.StringIO(files["scores.csv"]))
    rows = table[table["task"] == "property"]
    assert rows["low"].notna().all()
    assert set(rows["over"]) == {"runs"}
    assert rows["group"].isna().all()
    lines = [line for line in files["README.md"].splitlines() if line.startswith("| weight-norms |")]
    assert any(" (runs only) | 2 seeds |" in line for line in lines)
    said = cli("diff", "weight-norms", "probegen", "--results", official)[1]
    assert "over runs, 720 runs, too few seeds for a test" in said


def test_figures_that_left_every_scale_are_not_printed() -> None:
    assert [number(value) for value in (0.614, -5.3, -100, -3e13)] == ["0.61", "-5.30", "-100.00", "< -100"]


def test_failed_rows_have_no_score(results: Path) -> None:
    rows = wb.boards(results)["inr-classification on digits-inrs@1.0.0"]
    assert rows["device"].unique().tolist() == ["CPU"]
    failed = rows[rows["score"].isna()]
    assert failed["method"].tolist() == ["broken"]
    assert failed["group"].isna().all()


def moved_to(results: Path, zoo: str, *, version: str = "1.0.0", recipe_sha256: str = "") -> None:
    """As if the records were of another zoo, by default the catalogue's."""
    recipe_sha256 = recipe_sha256 or catalogue_entry(zoo).recipe_sha256
    for path in sorted(results.glob("zoos/*")):
        path.rename(path.with_name(f"{ZooIdentity(zoo, version, recipe_sha256)}.parquet"))
    rewritten(
        results,
        lambda record: record["zoo"].update(name=zoo, version=version, recipe_sha256=recipe_sha256),
    )
    put_in_place(results)
    shutil.rmtree(results / "inr-classification" / "digits-inrs")
    shutil.rmtree(results / "inr-dilation" / "digits-inrs")


def test_printed_numbers_stand_beside_the_rows_that_they_belong_to(results: Path) -> None:
    moved_to(results, "mnist-inrs")
    rows = wb.boards(results)["inr-classification on mnist-inrs@1.0.0"].set_index("method")
    assert rows["reported"].dropna().to_dict() == {"mlp": 17.6, "ng-gnn (width=8, depth=1, probes=4)": 91.8}
    page = board_files(load_boards(results))["index.html"]
    assert "Zhang et al. 2023 (TAG-ML), Table 1" in page


def test_the_reproduction_page_sets_ours_beside_the_printed_numbers(results: Path) -> None:
    moved_to(results, "mnist-inrs")
    boards = load_boards(results)
    page = board_files(boards)["REPRODUCTION.md"]
    rows = {board.task: board.rows.set_index("method")["score"] for board in boards}
    mlp = rows["inr-classification"]["mlp"]
    (line,) = [line for line in page.splitlines() if line.startswith("| MLP | 17.6 ± 0 |")]
    assert f"| {mlp:.2f} ± " in line
    assert f"| {mlp - 17.6:+.2f} |" in line
    assert "- MLP: " in page  # further away than two standard deviations
    commands = [line for line in page.splitlines() if line.startswith("weightbench run mlp --task inr-classification")]
    assert len(commands) == 1
    assert "--seeds 0,1" in commands[0]
    assert "## Not measured here yet" in page


@pytest.mark.parametrize(
    ("honest", "other"),
    [
        pytest.param({"epochs": 5, "curve": 5}, {"epochs": 1, "curve": 1, "fit_s": 9000.0}, id="a busy machine"),
        pytest.param({"epochs": 5, "curve": 5}, {"epochs": 1_000_000, "curve": None}, id="no curves"),
        pytest.param({"epochs": 5, "curve": 5}, {"epochs": 1_000_000, "curve": 1}, id="other curves"),
        pytest.param(
            {"epochs": 5, "curve": 5, "recipe": ""}, {"epochs": 9, "curve": 9, "recipe": "epochs=9"}, id="recipe"
        ),
        pytest.param(
            {"epochs": 5, "curve": 5}, {"epochs": 9, "curve": None, "recipe": ""}, id="a recipe without curves"
        ),
    ],
)
def test_of_several_rows_the_one_with_proven_training_stands_for_a_printed_number(
    results: Path, honest: dict, other: dict
) -> None:
    """By learning curves, and the published recipe first: neither by seconds nor by a number in a field."""

    def trained(record: dict) -> None:
        if record["method"]["name"] == "mlp":
            said = honest if record["seed"] == 1 else other
            record["method"]["params"]["epochs"] = record["budget"]["epochs"] = said["epochs"]
            record["method"]["recipe"] = said.get("recipe")
            record["curves"] = said["curve"] and {"val_score": [1.0] * said["curve"]}
            record["cost"]["fit_s"] = said.get("fit_s", 7.0)

    rewritten(results, trained)
    moved_to(results, "mnist-inrs")
    page = board_files(load_boards(results))["REPRODUCTION.md"]
    (line,) = [line for line in page.splitlines() if line.startswith("| MLP | 17.6 ± 0 |")]
    assert "| 1 | 5 of 200 | 7 |" in line


def test_a_replicated_row_stands_for_a_printed_number_before_any_other(results: Path) -> None:
    """Neither the published recipe nor more epochs than the paper's count as much as another machine."""

    def trained(record: dict) -> None:
        if record["method"]["name"] == "mlp":
            epochs = 4 + 400 * record["seed"]
            record["method"]["params"]["epochs"] = record["budget"]["epochs"] = epochs
            record["method"]["recipe"] = "" if record["seed"] else f"epochs={epochs}"
            record["curves"] = {"val_score": [1.0] * epochs}

    rewritten(results, trained)
    moved_to(results, "mnist-inrs")

    def shown() -> str:
        page = board_files(load_boards(results))["REPRODUCTION.md"]
        (line,) = [line for line in page.splitlines() if line.startswith("| MLP | 17.6 ± 0 |")]
        return line

    assert "| 404 of 200 |" in shown()
    (cell,) = [record for record in ResultsFolder(results).records() if _is_first_mlp(record.result)]
    elsewhere = cell.result.model_copy(update={"environment": cell.result.environment | {"cpu": "Another"}})
    path = ResultsFolder(results).replication_path(elsewhere)
    path.parent.mkdir(parents=True)
    path.write_bytes(elsewhere.to_json())
    assert "| 4 of 200 |" in shown()


def _is_first_mlp(result: Result) -> bool:
    return (result.task.name, result.method.name, result.seed) == ("inr-classification", "mlp", 0)


def test_a_disagreement_says_what_it_is_measured_by(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Printed deviations where the paper gives some, else our interval; a known reason instead of either."""
    from weightbench.leaderboard.evidence import intervals
    from weightbench.leaderboard.pages import reproduction_page as reproduction

    monkeypatch.setenv("WEIGHTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(intervals, "MIN_UNITS", 6)  # as many images as there are here
    moved_to(results, "mnist-inrs")
    table = next(t for t in reproduction.published() if t.source.startswith("Zhang") and t.task == "inr-classification")
    row = next(row for row in table.rows if row.method == "MLP")

    def page(**changes: object) -> str:
        changed = table.model_copy(
            update={"rows": [row.model_copy(update={"score": 99.0, "remark": "", "epochs": 1} | changes)]}
        )
        monkeypatch.setattr(reproduction, "published", lambda: [changed])
        return board_files(load_boards(results))["REPRODUCTION.md"]

    assert "- MLP: further away than two printed standard deviations; why is not known yet." in page(spread=1.0)
    assert "- MLP: the printed number lies outside the 95 % interval; why is not known yet." in page(spread=None)
    assert "deviations after 1 of 7 epochs, what the others would change is not known" in page(spread=1.0, epochs=7)
    assert "- MLP: it was trained for a minute" in page(spread=None, remark="it was trained for a minute")

    def chose(*epochs: int) -> None:
        def chosen(record: dict) -> None:
            if record["method"]["name"] == "mlp":
                record["selection"] = {"epoch": epochs[record["seed"]]}
                record["budget"]["epochs"] = 5

        rewritten(results, chosen)

    chose(2, 4)
    assert "after 5 of 7 epochs, best on validation data after 2 to 4." in page(spread=1.0, epochs=7)
    chose(5, 5)
    assert "5 of 7 epochs, best on validation data after the last of them: it was still" in page(spread=1.0, epochs=7)
    chose(2, 2)
    assert "after 5 of 7 epochs, best on validation data after 2." in page(spread=1.0, epochs=7)
    rewritten(results, lambda record: record.update(selection=None))
    assert "after 5 of 7 epochs, what the others would change is not known yet." in page(spread=1.0, epochs=7)


@pytest.mark.parametrize(
    ("version", "recipe_sha256", "why"),
    [
        ("1.0.0", "0" * 64, "Not the whole zoo, or another seed"),
        ("1.0.0+local", "1" * 64, "Made from other raw data than the paper's"),
    ],
)
def test_a_part_of_a_zoo_and_other_raw_data_reproduce_nothing(
    results: Path, version: str, recipe_sha256: str, why: str
) -> None:
    moved_to(results, "mnist-inrs", version=version, recipe_sha256=recipe_sha256)
    boards = load_boards(results)
    assert all(board.rows["reported"].isna().all() for board in boards)
    files = board_files(boards)
    sentence = f"{why}: the order can be compared, the numbers cannot."
    assert sentence in files["README.md"]
    assert sentence in html.unescape(files["index.html"])
    assert f"training networks, accuracy, %, higher is better.** {sentence}" in files["REPRODUCTION.md"]
    (line,) = [line for line in files["REPRODUCTION.md"].splitlines() if line.startswith("| MLP | 17.6 ± 0 |")]
    assert "| - |" in line
    assert "- MLP: " not in files["REPRODUCTION.md"], "nothing to explain"


def test_what_stands_for_a_papers_zoo_is_said_in_one_place() -> None:
    from weightbench.leaderboard.board.printed_tables import published

    tables = {table.zoo: table for table in published()}
    whole = catalogue_entry("cifar10-inrs").recipe_sha256
    assert tables["cifar10-inrs"].caveat("cifar10-inrs", "1.0.0", whole) == ""
    assert "has no checksum of" in tables["cifar10-inrs"].caveat("cifar10-inrs", "1.0.0+local", "0" * 64)
    assert "from elsewhere" in tables["cnn-wild-park"].caveat("cnn-wild-park", "1.0.0", "0" * 64)


def test_committed_results_are_of_the_whole_standard_zoos() -> None:
    """So the figures beside the printed ones are of the zoo that the catalogue describes."""
    committed = {result.zoo.name: result.zoo for _, result in read_results(ROOT / "leaderboard" / "results")}
    assert committed
    for zoo in committed.values():
        same = zoo.recipe_sha256 == catalogue_entry(zoo.name).recipe_sha256
        assert same or zoo.version.endswith("+local"), zoo


def test_on_a_smaller_zoo_only_the_order_is_compared(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from weightbench.leaderboard.pages import reproduction_page as reproduction

    moved_to(results, "mnist-inrs-mini")
    boards = load_boards(results)
    assert "reported" not in board_files(boards)["README.md"].split("## inr-classification")[1].split("\n\n")[2]
    page = board_files(boards)["REPRODUCTION.md"]
    assert "Another zoo than the paper's" in page
    (line,) = [line for line in page.splitlines() if line.startswith("| MLP | 17.6 ± 0 |")]
    assert "| - |" in line
    assert "Out of the printed order" not in page
    # The same table with its printed scores exchanged: what is measured is then the other way round.
    table = next(t for t in reproduction.published() if t.source.startswith("Zhang") and t.task == "inr-dilation")
    (board,) = [board for board in boards if board.task == table.task]
    pairs = reproduction.pairs(
        table.model_copy(
            update={
                "rows": [
                    table.rows[0].model_copy(update={"method": "flat", "score": 1.0, "ours": {"name": "mlp"}}),
                    table.rows[0].model_copy(update={"method": "graph", "score": 2.0, "ours": {"name": "ng-gnn"}}),
                ]
            }
        ),
        board,
    )
    for pair, (low, high) in zip(pairs, [(5, 6), (3, 4)], strict=True):
        pair.row["score"], pair.row["low"], pair.row["high"] = low, low, high
    found = reproduction.out_of_order(table, pairs)
    assert [(a.printed.method, b.printed.method) for a, b in found] == [("graph", "flat")]


def test_a_table_in_another_metric_is_compared_with_the_score_of_that_name(tmp_path: Path) -> None:
    """Which does not rank: it has a deviation over seeds, but no interval."""
    from scipy.stats import kendalltau

    from weightbench.leaderboard.board.printed_tables import published
    from weightbench.leaderboard.pages.reproduction_page import pairs

    committed, copied = ROOT / "leaderboard" / "results", tmp_path / "results"
    shutil.copytree(committed / "property" / "digits-mlps", copied / "property" / "digits-mlps")
    shutil.copytree(committed / "zoos", copied / "zoos")
    (board,) = load_boards(copied)
    table = next(table for table in published() if table.metric == "kendall-tau")
    printed = next(row for row in table.rows if row.ours == {"name": "weight-stats"})
    (pair,) = pairs(table.model_copy(update={"rows": [printed]}), board)
    record = next(row for row in board.evidence if row.first.method.name == "weight-stats").records[0]
    ids, arrays = record.predictions()
    tau = kendalltau(record.truth.table.loc[ids]["lr"], arrays["values"][:, 0]).statistic
    assert board.metric == "pearson-r"
    assert pair.row["score"] == pytest.approx(tau)
    assert pd.isna(pair.row["low"])


@pytest.mark.parametrize(
    ("said", "shown"), [("", "defaults"), ("epochs=1", "epochs=1"), (None, "epochs=1, batch_size=")]
)
def test_the_settings_of_a_reproduction_hide_no_part_of_the_recipe(results: Path, said: str | None, shown: str) -> None:
    """ "defaults" stands for the published recipe alone; a record that does not say what differs shows all of it."""
    moved_to(results, "mnist-inrs")
    rewritten(results, lambda record: record["method"].update(recipe=said))
    page = board_files(load_boards(results))["REPRODUCTION.md"]
    (line,) = [line for line in page.splitlines() if line.startswith("| MLP | 17.6 ± 0 |")]
    settings = line.split("|")[-2].strip()
    assert settings.startswith(shown)
    assert ("lr=" in settings) == (said is None)


def test_hardware_is_never_mixed(results: Path) -> None:
    before = wb.boards(results)["inr-classification on digits-inrs@1.0.0"]

    def second_seed_on_a_gpu(record: dict) -> None:
        if record["seed"] == 1:
            record["environment"]["gpu"] = "Accelerator 9000"

    rewritten(results, second_seed_on_a_gpu)
    rows = wb.boards(results)["inr-classification on digits-inrs@1.0.0"]
    assert len(rows) == 2 * len(before) - 1  # the failure is on the CPU alone
    assert set(rows["seeds"]) == {0, 1}
    for _, part in rows.dropna(subset=["score"]).groupby("device"):
        assert part["hardware"].nunique() == 1
    devices = {ranking.device for ranking in rankings(load_boards(results))}
    assert devices == {"CPU", "Accelerator 9000"}


def add_row(results: Path, row: Path, change: Callable[[dict], object]) -> None:
    """Another row with the predictions of `row`, whose method is a changed one."""
    for path in row.glob("seed-*.json"):
        record = json.loads(path.read_text())
        change(record["method"])
        result = Result.model_validate(record)
        moved = results / result.path
        moved.parent.mkdir(exist_ok=True)
        moved.write_bytes(result.to_json())
        shutil.copyfile(path.with_suffix(".safetensors"), moved.with_suffix(".safetensors"))


def test_rows_of_one_method_say_what_tells_them_apart(results: Path) -> None:
    """Another budget is another row; which settings differ is its name, and the spec where none does."""
    mlp = next(results.glob("inr-classification/*/mlp/*"))

    def called() -> set[str]:
        rows = wb.boards(results)["inr-classification on digits-inrs@1.0.0"]["method"]
        return {name for name in rows if name.startswith("mlp")}

    params = json.loads((mlp / "seed-0.json").read_text())["method"]["params"]
    epochs, lr = params["epochs"], params["lr"]
    add_row(results, mlp, lambda method: method["params"].update(epochs=99, lr=lr / 2))
    assert called() == {f"mlp (epochs={epochs})", "mlp (epochs=99)"}, "one setting is enough"
    add_row(results, mlp, lambda method: method["params"].update(epochs=99))
    assert called() == {f"mlp (epochs={epochs}, lr={lr})", f"mlp (epochs=99, lr={lr / 2})", f"mlp (epochs=99, lr={lr})"}
    add_row(results, mlp, lambda method: method.update(version="2"))
    ours = mlp.name[:4]
    assert f"mlp (epochs={epochs}, lr={lr}) #{ours}" in called()
    assert len(called()) == 4


def test_a_row_under_a_limit_is_named_by_it(results: Path) -> None:
    """`epochs` would mislead: it says how many there are at most."""
    mlp = next(results.glob("inr-classification/*/mlp/*"))
    add_row(results, mlp, lambda method: method["params"].update(epochs=300, flop_limit=2e12))
    rows = wb.boards(results)["inr-classification on digits-inrs@1.0.0"]["method"]
    assert {name for name in rows if name.startswith("mlp")} == {"mlp", "mlp (flop_limit=2e12)"}


def test_zoo_versions_options_and_tasks_have_boards_of_their_own(results: Path) -> None:
    def other_options(record: dict) -> None:
        if record["method"]["name"] == "mlp":
            record["task"]["options"]["split"] = "within-run"

    rewritten(results, other_options)
    put_in_place(results)
    for truth in list(results.glob("zoos/*")):
        shutil.copyfile(truth, truth.with_name(f"{truth.stem}-within-run.parquet"))
    boards = wb.boards(results)
    assert len(boards) == 4
    assert sum("within-run" in title for title in boards) == 2
    page = board_files(load_boards(results))["index.html"]
    assert "epochs of every run lie in train and test" in page


@pytest.mark.parametrize("place", ["/seed-0.json", "seed-0.json", "/a/b/c/d/seed-0.json"])
def test_a_record_tells_its_place_in_a_results_folder(results: Path, place: str) -> None:
    path, result = read_results(results)[0]
    assert results / result.path == path
    assert read_record(path).folder == ResultsFolder(results)
    wrong = results / place.lstrip("/")
    wrong.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, wrong)
    with pytest.raises(BadInput, match="its content belongs at inr-classification/digits-inrs/"):
        read_record(wrong)


def test_records_of_an_earlier_schema_are_moved_once(tmp_path: Path) -> None:
    """The same boards, from records that say which version of a method they are of."""
    old = Path(shutil.copytree(RECORDS / "1", tmp_path / "old"))
    new = Path(shutil.copytree(RECORDS / "1", tmp_path / "new"))
    assert migrate(ResultsFolder(new)) == 13
    assert migrate(ResultsFolder(new)) == 0
    assert board_files(load_boards(old)) == board_files(load_boards(new))
    assert all(json.loads(path.read_text())["schema"] == 2 for path in ResultsFolder(new).record_paths())
    shutil.copytree(new, old, dirs_exist_ok=True)  # both beside each other: the later ones count
    assert board_files(load_boards(old)) == board_files(load_boards(new))


def test_a_record_in_the_wrong_place_is_refused(results: Path, cli) -> None:
    path = next(results.glob("inr-classification/*/mlp/*/seed-1.json"))
    path.rename(path.with_name("seed-7.json"))
    code, _, err = cli("leaderboard", "--results", results)
    assert code == 2
    assert err.count("\n") == 1
    assert "seed-7.json: its content belongs at inr-classification/digits-inrs/mlp" in err


@pytest.mark.parametrize("key", ["source", "classes", "neurons"])
def test_a_truth_that_says_too_little_is_refused(results: Path, cli, key: str) -> None:
    path = next(results.glob("zoos/*"))
    found = pq.read_table(path)
    kept = {name: text for name, text in found.schema.metadata.items() if name != key.encode()}
    pq.write_table(found.replace_schema_metadata(kept), path)
    code, _, err = cli("leaderboard", "--results", results)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{path}: cannot be read (no {key} in it); remove it and run any cell of that zoo again" in err


def test_check_finds_drift_and_names_the_scores_that_moved(results: Path, cli, tmp_path: Path) -> None:
    assert cli("leaderboard", "--results", results)[0] == 0
    board = results / "board"
    assert cli("leaderboard", "--results", results, "--check") == (0, f"{board}: equals what {results} gives\n", "")
    before = {file: file.read_bytes() for file in board.iterdir()}
    baseline = shutil.copyfile(board / "scores.csv", tmp_path / "before.csv")
    scores = pd.read_csv(board / "scores.csv", dtype=str, keep_default_na=False)
    scores.loc[0, "score"] = "99.5"
    scores.to_csv(board / "scores.csv", index=False)
    code, _, err = cli("leaderboard", "--results", results, "--check")
    assert code == 1
    assert f"{scores['method'][0]} [{scores['spec'][0]}]: the board's score 99.5 moved to" in err
    assert f"{board / 'scores.csv'}: differs" in err
    for file, content in before.items():
        file.write_bytes(content)
    (board / "index.html").unlink()
    code, _, err = cli("leaderboard", "--results", results, "--check")
    assert code == 1
    assert err.startswith(f"{board / 'index.html'}: missing\n")
    gone = next(results.glob("inr-dilation/*/mlp"))
    shutil.rmtree(gone)
    cli("leaderboard", "--results", results)
    assert cli("leaderboard", "--results", results, "--check")[0] == 0
    code, _, err = cli("leaderboard", "--results", results, "--check", "--baseline", baseline)
    assert code == 1
    assert "inr-dilation on digits-inrs@1.0.0: mlp" in err
    assert "is gone" in err


def test_a_claim_that_its_predictions_do_not_give_is_drift(results: Path, cli) -> None:
    path = next(results.glob("inr-classification/*/mlp/*/seed-0.json"))
    cli("leaderboard", "--results", results)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"score": 99.0}))
    code, _, err = cli("leaderboard", "--results", results, "--check")
    assert code == 1
    assert "seed-0.json claims 99, its predictions give" in err


def test_the_committed_board_is_what_the_committed_results_give(cli) -> None:
    code, out, err = cli("leaderboard", "--check")
    assert (code, err) == (0, "")
    assert "leaderboard: equals what" in out


def test_figures_that_are_no_numbers_leave_a_gap(results: Path) -> None:
    path = next(results.glob("inr-classification/*/mlp/*/seed-0.json"))
    record = json.loads(path.read_text())
    record["symmetry"]["permutation"] = float("nan")
    path.write_text(json.dumps(record))
    files = board_files(load_boards(results))
    assert "NaN" not in files["index.html"][files["index.html"].index('id="data"') :].split("</script>")[0]
    assert "nan" not in files["scores.csv"]


def test_audits_of_earlier_records_are_compared_with_what_the_suites_methods_declared(results: Path, cli) -> None:
    rows = load_boards(results)[0].rows
    assert rows[["sensitivity", "audit"]].isna().all(axis=None), "they have no sensitivity, and nothing to be marked"
    table = board_files(load_boards(results))["README.md"].split("## Columns")[0]
    assert "permutation" in table
    assert "sensitivity" not in table

    def change(name: str, **figures: float) -> None:
        path = next(results.glob(f"inr-classification/*/{name}/*/seed-0.json"))
        record = json.loads(path.read_text())
        path.write_text(json.dumps(record | {"symmetry": record["symmetry"] | figures}))

    change("ng-gnn", permutation=0.41, sign=3.0)  # it declares permutations alone
    change("mlp", permutation=0.0, sign=0.0)  # it declares nothing, and yet nothing moves it
    change("weight-stats", permutation=0.0, sign=0.0)
    rows = load_boards(results)[0].rows
    names = rows["method"].str.partition(" ")[0]
    marks = dict(zip(names, rows["audit"], strict=True))
    assert (marks["ng-gnn"], marks["mlp"], marks["weight-stats"]) == (
        "⚠ moves under permutation",
        "⚠ constant",
        "⚠ constant",
    )
    assert pd.isna(marks["probegen"])


def test_json_and_an_empty_board(results: Path, cli, tmp_path: Path) -> None:
    boards = json.loads(cli("leaderboard", "--results", results, "--out", tmp_path / "board", "--json")[1])
    assert [board["title"] for board in boards] == [
        "inr-classification on digits-inrs@1.0.0",
        "inr-dilation on digits-inrs@1.0.0",
    ]
    assert boards[0]["rows"][0]["method"]
    files = board_files([])
    assert "No results yet" in files["README.md"]
    assert "No results yet" in files["index.html"]
    assert "97.3 ± 0.2" in files["README.md"], "what papers printed is there all the same"
    columns = (
        "task,options,zoo,recipe,method,score,std,low,high,over,group,kind,late,networks,units,unit,reported,seeds,"
    )
    assert files["scores.csv"].startswith(columns)
    assert files["scores.csv"].count("\n") == 1
    (tmp_path / "nothing").mkdir()
    assert "no results there" in cli("leaderboard", "--results", tmp_path / "nothing")[2]


def test_boards_checks_and_comparisons_need_no_torch(results: Path) -> None:
    program = (
        "import sys\n"
        "import weightbench.leaderboard\n"
        "from weightbench.__main__ import main\n"
        "for extra in ([], ['--check'], ['--json']):\n"
        "    sys.argv = ['weightbench', 'leaderboard', '--results', sys.argv[-1], *extra][:4 + len(extra)]\n"
        "    results = sys.argv[3]\n"
        "    try: main()\n"
        "    except SystemExit as stop: assert not stop.code, stop.code\n"
        "    sys.argv = ['weightbench', results]\n"
        "sys.argv = ['weightbench', 'diff', 'mlp', 'weight-stats', '--results', results]\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "assert not {'torch', 'torch_geometric'} & set(sys.modules)\n"
        "print('done')"
    )
    done = subprocess.run([sys.executable, "-c", program, str(results)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("done\n")


def test_diff_compares_item_by_item(results: Path, cli, tmp_path: Path) -> None:
    found = json.loads(cli("diff", "mlp", "weight-stats", "--results", results, "--json")[1])[0]
    assert found["difference"] == pytest.approx(found["score_b"] - found["score_a"])
    assert found["better"] + found["worse"] + found["equal"] == 24
    assert (found["low"], found["high"], found["p"], found["units"]) == (None, None, None, "6 images")
    other = Path(shutil.copytree(results, tmp_path / "other"))
    same = json.loads(cli("diff", results, other, "--json")[1])
    assert len(same) == 6
    assert all((one["difference"], one["p"], one["equal"]) == (0, None, 24) for one in same)
    assert "b - a" in cli("diff", "mlp", "ng-gnn (width=8, depth=1, probes=4)", "--results", results)[1]
    code, _, err = cli("diff", "mlp", "wieght-stats", "--results", results)
    assert code == 2
    assert "did you mean weight-stats" in err


def test_diff_tests_as_the_board_does(official: Path, cli) -> None:
    found = json.loads(cli("diff", "probegen", "weight-norms", "--results", official, "--json")[1])[0]
    assert found["low"] < found["difference"] < found["high"]
    assert (found["units"], found["over"]) == ("720 runs", "runs and seeds")
    assert 0 < found["p"] < 1
    assert (found["p"] < 0.05) == (not found["low"] <= 0 <= found["high"])
    same = json.loads(cli("diff", official, official, "--json")[1])
    assert {one["p"] for one in same if one["board"].startswith("property")} == {1}
    assert {one["p"] for one in same if one["board"].startswith("neuron")} == {None}


def test_published_tables_are_well_formed() -> None:
    from weightbench.leaderboard.board.printed_tables import published

    tables = published()
    cells = {(table.task, table.zoo, table.source, row.method): row for table in tables for row in table.rows}
    assert len(cells) >= 90
    assert all(table.source and table.date and table.regime for table in tables)
    best = next(t for t in tables if (t.task, t.zoo) == ("inr-classification", "mnist-inrs"))
    assert max(row.score for row in best.rows) == 97.3


def test_what_the_page_carries_is_what_its_authors_published() -> None:
    import hashlib
    import tomllib

    folder = ROOT / "leaderboard" / "pages" / "vendor"
    listed = tomllib.loads((folder / "vendor.toml").read_text())
    assert set(listed) == {file.name for file in folder.iterdir() if ".min." in file.name}
    for name, about in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == about["sha256"]
    size = sum((folder / name).stat().st_size for name in listed)
    assert size < 1_500_000


@pytest.mark.parametrize(("load", "mark"), [(1.2, ""), (9.5, "*")])
def test_times_taken_beside_other_work_are_marked(results: Path, load: float, mark: str) -> None:
    for path in results.glob("inr-dilation/*/mlp/*/seed-*.json"):
        record = json.loads(path.read_text())
        record["environment"] |= {"load": load, "cores": 2}
        path.write_text(json.dumps(record))
    (board,) = [board for board in load_boards(results) if board.task == "inr-dilation"]
    cells = board.rows[board.rows["method"] == "mlp"].iloc[0]
    shown = {column.key: column.shown(cells) for column in COLUMNS}
    assert (shown["fit_s"].endswith("*"), shown["networks_per_s"].endswith("*")) == (bool(mark), bool(mark))
    others = board.rows[board.rows["method"] != "mlp"]
    assert others["busy"].isna().all(), "earlier records do not tell"


def test_an_earlier_version_of_a_task_stands_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Boards of both, the earlier one after the other and called so; neither overview nor average ranks know it."""
    zoos = [
        planted_zoo.write_zoo(tmp_path / name, {"narrow": planted_zoo.networks((3, 5, 2), 60, seed=seed)})
        for seed, name in enumerate(("a", "b"))
    ]
    runs = tmp_path / "runs"
    for version in (1, 2):
        monkeypatch.setattr(Property, "version", version)
        for method in ("weight-norms", "weight-stats-linear"):
            for zoo in zoos:
                wb.run(method, task="property", target="sum_of_squares", zoo=zoo, out=runs)
    titles = [board.title for board in load_boards(runs)]
    assert titles == sorted(titles, key=lambda title: "version 1" in title)
    assert ["version 1" in title for title in titles] == [False, False, True, True]
    (ranking,) = rankings(load_boards(runs))
    assert not any("version 1" in title for title in ranking.boards)
    assert not any(column.board.superseded for column in overview(load_boards(runs)).columns)
    page = markdown(load_boards(runs))
    assert len(set(re.findall(r'<a id="([^"]*)"', page))) == 4


def test_costs_that_compare_stand_beside_seconds(results: Path) -> None:
    """Seconds times the machine's rate, and counted operations: the median over seeds, nothing for older records."""
    for path in results.glob("inr-dilation/*/mlp/*/seed-*.json"):
        record = json.loads(path.read_text())
        record["environment"] |= {"gflops": 50.0}
        record["budget"] |= {"flops": 4e9 * (1 + record["seed"])}
        record["cost"]["fit_s"] = 2.0
        path.write_text(json.dumps(record))
    (board,) = [board for board in load_boards(results) if board.task == "inr-dilation"]
    row = board.rows[board.rows["method"].str.startswith("mlp")].iloc[0]
    assert (row["machine_gflop"], row["training_gflop"]) == (100.0, 6.0)
    others = board.rows[~board.rows["method"].str.startswith("mlp")]
    assert others[["machine_gflop", "training_gflop"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"load": "little"}, "environment: Value error, load: "),
        ({"cores": -2}, "cores: "),
        ({"gflops": 1e999}, "gflops: "),
    ],
)
def test_a_machine_in_other_words_than_numbers_is_one_line(results: Path, cli, said: dict, message: str) -> None:
    path = next(results.glob("inr-dilation/*/mlp/*/seed-0.json"))
    record = json.loads(path.read_text())
    record["environment"] |= said
    path.write_text(json.dumps(record))
    code, _, err = cli("leaderboard", "--results", results)
    assert code == 2
    assert err.count("\n") == 1
    assert message in err


def _from(path: Path, **environment) -> None:
    record = json.loads(path.read_text())
    record["environment"] |= environment
    path.write_text(json.dumps(record))


def test_seeds_of_different_code_are_rows_of_their_own(results: Path) -> None:
    """Each has a name, an identity and a score of its own; one whose code was changed says so."""
    paths = sorted(results.glob("inr-dilation/*/mlp/*/seed-*.json"))
    for digit, path in zip("01", paths, strict=True):
        _from(path, code_sha256=digit * 64, commit=digit * 40, dirty=digit == "1")
    (board,) = [board for board in load_boards(results) if board.task == "inr-dilation"]
    rows = board.rows[board.rows["method"].str.startswith("mlp")]
    assert len(rows) == len(paths) == 2
    assert rows["seeds"].tolist() == [1, 1]
    assert rows["method"].str.fullmatch(r"mlp.* @[0-9a-f]{8}").all()
    assert rows["spec"].str.fullmatch(r"[0-9a-f]{12}\+[0-9a-f]{8}").all()
    assert rows["spec"].nunique() == 2
    assert set(zip(rows["commit"], rows["code"].fillna(""), strict=True)) == {("0" * 8, ""), ("1" * 8, "changed")}
    for path in paths:
        _from(path, code_sha256="0" * 64, dirty=False)
    (board,) = [board for board in load_boards(results) if board.task == "inr-dilation"]
    rows = board.rows[board.rows["method"].str.startswith("mlp")]
    assert rows["seeds"].tolist() == [2]
    assert not rows["spec"].str.contains("+", regex=False).any()


def test_a_row_of_an_earlier_version_of_its_method_says_so(results: Path) -> None:
    rewritten(results, lambda record: record["environment"].update(dirty=False))
    for path in results.glob("inr-dilation/*/mlp/*/seed-*.json"):
        record = json.loads(path.read_text())
        record["method"]["version"] = "2"
        path.write_text(json.dumps(record))
        home = path.parents[4] / read_result(path).path
        home.parent.mkdir(exist_ok=True)
        for file in path.parent.glob(f"{path.stem}.*"):
            file.rename(home.with_name(file.name))
    marks = {
        (board.task, row["method"].partition(" ")[0]): row["code"] if pd.notna(row["code"]) else ""
        for board in load_boards(results)
        for _, row in board.rows.iterrows()
    }
    assert marks["inr-classification", "mlp"] == "version 1 of 2"
    assert marks["inr-dilation", "mlp"] == marks["inr-classification", "probegen"] == ""


def test_a_printed_row_stands_for_results_of_its_own_reading_alone() -> None:
    """What the paper leaves open: the same printed number once for the defaults, once for every other reading."""
    from weightbench.leaderboard.board.printed_tables import published, stands_for

    results = [
        result
        for _, result in read_results(ROOT / "leaderboard" / "results")
        if result.zoo.name == "moons-mlps" and result.method.name == "structure-reps"
    ]
    table = next(table for table in published() if table.readings and table.zoo == "moons-mlps")
    by_reading: dict[str, set[str | None]] = {}
    for row in table.compared:
        for result in filter(lambda result: stands_for(result, row), results):
            by_reading.setdefault(row.reading, set()).add(result.method.variant)
    assert set(by_reading) == {"", *table.readings}
    for reading, variants in by_reading.items():
        for name, value in table.readings.get(reading, {}).items():
            assert all(variant and f"{name}={value}" in variant for variant in variants)
        for other in set(table.readings) - {reading}:
            assert not any(variant and name in variant for variant in variants for name in table.readings[other])
