"""A results folder as a pandas table."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.recorded import read_results

import weightbench as wb

RECORDS = Path(__file__).parents[2] / "fixtures" / "records" / "2"


def test_every_record_is_a_row() -> None:
    table = wb.load_results(RECORDS)
    known = {str(path): result for path, result in read_results(RECORDS)}
    assert set(table["path"]) == set(known)
    assert len(table) == len(known)
    for _, row in table.iterrows():
        result = known[row["path"]]
        assert (row["method"], row["task"], row["zoo"], row["seed"]) == (
            result.method.name,
            result.task.name,
            result.zoo.name,
            result.seed,
        )
        assert row["params"] == result.method.params
        assert row["status"] == result.status
    means = table.groupby(["task", "method"])["score"].mean()
    assert means["inr-classification", "probegen"] == pytest.approx(50.0)
    assert table.groupby("spec")["seed"].nunique().max() == 2
    assert str(table["finished"].dtype).endswith("UTC]")


def test_failed_runs_have_no_score_and_tasks_no_scores_of_others() -> None:
    table = wb.load_results(RECORDS)
    failed = table[table["status"] != "ok"]
    assert failed["method"].tolist() == ["broken"]
    assert failed["score"].isna().all()
    assert failed["error"].notna().all()
    dilation = table["task"] == "inr-dilation"
    assert table.loc[dilation, "score_accuracy"].isna().all()
    assert (table.loc[dilation, "score_dilation-mse"] == table.loc[dilation, "score"]).all()


def test_a_folder_without_results_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(wb.BadInput, match="no results there; `weightbench run` writes some"):
        wb.load_results(tmp_path)
    with pytest.raises(wb.BadInput, match="no such folder"):
        wb.load_results(tmp_path / "nothing")


def test_what_a_run_returns_is_the_table_of_its_folder(small_zoo: Path, tmp_path: Path) -> None:
    methods = ["weight-norms", "constant"]
    results = wb.run(methods, task="property", zoo=small_zoo, target="psnr", seeds=[0, 1], out=tmp_path)
    found, whole = (
        table.sort_values("path", ignore_index=True) for table in (results.to_pandas(), wb.load_results(tmp_path))
    )
    assert len(found) == 4
    assert found.columns.tolist() == whole.columns.tolist()
    assert found.drop(columns="params").equals(whole.drop(columns="params"))
