"""Cells that the board has, handed in again: kept beside the record, counted by machine, and never in its place."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.forged_results import edit, failed, forge_predictions, record_of
from helpers.recorded import read_results, rewritten

import weightbench as wb
from weightbench.benchmarks.metrics.scoring import evaluate
from weightbench.benchmarks.records.results_folder import read_record, read_result

BOARD = "inr-classification on digits-inrs@1.0.0"


@pytest.fixture
def home(runs: Path, submit, tmp_path: Path) -> Path:
    """A committed board."""
    assert submit(runs)[0] == 0
    return tmp_path / "home"


def on_another_machine(runs: Path, **changes: str) -> Path:
    """The same records, as if another machine had written them."""

    def elsewhere(record: dict) -> None:
        record["environment"] |= changes or {"cpu": "Another Processor 9000"}

    rewritten(runs, elsewhere)
    return runs


def others(path: Path, shift: int = 0) -> float:
    """Other predictions of a cell, the classes shifted, with the score that they give."""
    forge_predictions(path, lambda ids, arrays: (ids, {"logits": np.roll(2 * arrays["logits"], shift, axis=1)}))
    record = read_record(path)
    scores = evaluate(record.result.task, *record.predictions(), record.truth).scores
    edit(path, score=scores["accuracy"], scores=scores)
    return scores["accuracy"]


def replications(home: Path) -> list[Path]:
    return sorted(home.rglob("replications/*/seed-*"))


def test_runs_of_another_machine_are_kept_beside_the_records(runs: Path, home: Path, submit, cli) -> None:
    before = wb.boards(home / "results")[BOARD]
    assert before["replicated"].isna().all()
    code, out, _ = submit(on_another_machine(runs))
    assert code == 0
    assert "0 results checked" in out
    assert "3 replications of results that are there already" in out
    assert "weightbench leaderboard" in out
    stored = replications(home)
    assert len(stored) == 3
    assert {path.suffix for path in stored} == {".json"}, "no predictions"
    assert len(read_results(home / "results")) == 3
    assert all(read_result(path).curves is None and not read_result(path).zoo.reference for path in stored)
    assert "3 were there already" in submit(runs)[1]
    assert replications(home) == stored
    assert cli("leaderboard", "--results", home / "results", "--out", home)[0] == 0
    assert cli("leaderboard", "--results", home / "results", "--out", home, "--check")[0] == 0
    after = wb.boards(home / "results")[BOARD]
    assert after["score"].tolist() == before["score"].tolist()
    assert (after["replicated"][0], after["furthest"][0]) == (1, 0)
    assert pd.read_csv(home / "scores.csv")["replicated"].tolist() == [1, 1]
    for page in ("README.md", "index.html"):
        assert "1 (Δ 0)" in (home / page).read_text()
    assert submit(on_another_machine(runs, python="3.99.0"))[0] == 0
    assert wb.boards(home / "results")[BOARD]["replicated"][0] == 2


def test_a_board_without_replications_has_no_such_column(home: Path, cli) -> None:
    assert cli("leaderboard", "--results", home / "results", "--out", home)[0] == 0
    assert "| replicated |" not in (home / "README.md").read_text()


def test_the_same_predictions_from_the_same_machine_are_no_replication(runs: Path, home: Path, submit) -> None:
    rewritten(runs, lambda record: record.update(finished="2020-01-01T00:00:00Z"))
    code, out, _ = submit(runs)
    assert code == 0
    assert "3 were there already" in out
    assert "replications" not in out
    assert replications(home) == []


def test_the_suite_run_anew_in_another_checkout_ends_as_replications(
    runs: Path, small_zoo: Path, submit, cli, tmp_path: Path
) -> None:
    assert submit(on_another_machine(runs))[0] == 0
    suite = tmp_path / "again.toml"
    suite.write_text(
        f'''description = "the same"
[[runs]]
task = "inr-classification"
zoo = "{small_zoo}"
methods = [{{ name = "weight-stats", trees = 2 }}]
[[runs]]
task = "inr-dilation"
zoo = "{small_zoo}"
methods = [{{ name = "mlp", epochs = 1 }}]
'''
    )
    assert cli("run", "--suite", suite, "--out", tmp_path / "second")[0] == 0
    code, out, err = submit(tmp_path / "second")
    assert (code, err) == (0, "")
    assert "2 replications" in out


def test_a_score_that_is_not_explained_moves_nothing_and_confirms_nothing(runs: Path, home: Path, submit, cli) -> None:
    score = wb.boards(home / "results")[BOARD]["score"][0]
    recorded = read_result(record_of(runs)).score
    while others(record_of(runs), shift=1) == recorded:
        pass
    code, out, _ = submit(on_another_machine(runs))
    assert code == 0
    assert "3 replications" in out
    row = wb.boards(home / "results")[BOARD].loc[0]
    assert (row["score"], row["replicated"]) == (score, 0)
    assert row["furthest"] > 1
    assert cli("leaderboard", "--results", home / "results", "--out", home)[0] == 0
    assert f"0 (Δ {row['furthest']:.2g})" in (home / "README.md").read_text()


def test_other_predictions_of_the_same_machine_are_shown_and_not_counted(runs: Path, home: Path, submit) -> None:
    others(record_of(runs))
    code, out, _ = submit(runs)
    assert code == 0
    assert "1 replications" in out
    row = wb.boards(home / "results")[BOARD].loc[0]
    assert (row["replicated"], row["furthest"]) == (0, 0)


def test_records_of_old_may_be_of_the_same_machine(runs: Path, submit, tmp_path: Path) -> None:
    """Records of old name the processor alone, and processors of one name differ: those count for no other machine."""
    said = read_result(record_of(runs)).environment["instructions"]
    rewritten(runs, lambda record: record["environment"].pop("instructions"))
    assert submit(runs)[0] == 0
    home = tmp_path / "home"
    on_another_machine(runs, instructions=said)
    assert "3 were there already" in submit(runs)[1]
    others(record_of(runs))
    assert "1 replications" in submit(runs)[1]
    assert wb.boards(home / "results")[BOARD]["replicated"][0] == 0


def test_machines_of_one_name_are_told_apart_by_their_instructions(runs: Path, home: Path, submit) -> None:
    assert "3 replications" in submit(on_another_machine(runs, instructions="NO AVX"))[1]
    assert wb.boards(home / "results")[BOARD]["replicated"][0] == 1


def test_builds_that_differ_in_words_alone_are_one(runs: Path, home: Path, submit) -> None:
    """A manifest says with how many threads a zoo was built; what counts is whether the test networks are the same."""
    on_another_machine(runs)
    rewritten(runs, lambda record: record["zoo"].update(manifest_sha256="0" * 64))
    truth = next(runs.glob("zoos/*"))
    table = pq.read_table(truth)
    assert submit(runs)[0] == 0
    assert {read_result(path).zoo.manifest_sha256 for path in replications(home)} == {
        result.zoo.manifest_sha256 for _, result in read_results(home / "results")
    }
    shutil.rmtree(next(home.rglob("replications")).parent / "replications")
    psnr = pa.array(np.asarray(table.column("psnr")) + 1)
    pq.write_table(table.set_column(table.column_names.index("psnr"), "psnr", psnr), truth)
    assert submit(runs)[0] == 0
    assert "0" * 64 in {read_result(path).zoo.manifest_sha256 for path in replications(home)}


def test_a_machine_has_one_replication_of_a_cell(runs: Path, home: Path, submit) -> None:
    assert submit(on_another_machine(runs))[0] == 0
    stored = [path.read_bytes() for path in replications(home)]
    others(record_of(runs))
    code, _, err = submit(runs)
    assert code == 2
    assert err.count("\n") == 1
    assert "holds another run by this machine" in err
    assert [path.read_bytes() for path in replications(home)] == stored


REFUSED = {
    "a claimed score": (lambda path: edit(path, score=99.0), "score: claims accuracy 99.0"),
    "a failed run": (failed, "failed, but"),
    "another seed of one's choice": (
        lambda path: [
            shutil.copyfile(path.with_suffix(end), path.with_name(f"seed-9{end}")) for end in (".json", ".safetensors")
        ],
        "its content belongs at",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_replications_are_checked_as_records_are(case: str, runs: Path, home: Path, submit) -> None:
    change, message = REFUSED[case]
    on_another_machine(runs)
    change(record_of(runs))
    code, _, err = submit(runs)
    assert code == 2
    assert err.count("\n") == 1
    assert message in err
    assert replications(home) == []


DAMAGED = {
    "another machine": (lambda path: edit(path, environment__cpu="Yet Another"), "is of another cell or machine"),
    "another cell": (lambda path: edit(path, method__params={"trees": 3}), "is of another cell or machine"),
    "another score": (lambda path: edit(path, score=99.0), "score: is 99, the same predictions gave"),
    "no score": (lambda path: edit(path, score=None), "score: is missing"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_kept_replication_that_was_changed_stops_the_board(case: str, runs: Path, home: Path, submit, cli) -> None:
    submit(on_another_machine(runs))
    change, message = DAMAGED[case]
    (path, *_) = home.glob("results/inr-classification/*/*/*/replications/*/seed-0.json")
    change(path)
    code, _, err = cli("leaderboard", "--results", home / "results", "--out", home)
    assert code == 2
    assert err.count("\n") == 1
    assert message in err
