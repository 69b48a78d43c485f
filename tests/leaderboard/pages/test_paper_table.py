"""`weightbench table`: boards for a paper."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from helpers.recorded import put_in_place, rewritten, with_tie_groups

RECORDS = Path(__file__).parents[2] / "fixtures" / "records" / "2"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return with_tie_groups(Path(shutil.copytree(RECORDS, tmp_path / "results")))


def test_markdown_has_scores_intervals_and_groups_with_the_first_group_bold(results: Path, cli) -> None:
    code, out, err = cli("table", "--results", results, "--task", "inr-dilation")
    assert (code, err) == (0, "")
    header, _, best, other, _, caption = out.splitlines()
    assert header == "| method | score | 95 % interval | tie group | seeds |"
    assert re.fullmatch(r"\| mlp \| \*\*25\.65 ± 0\.05\*\* \| [\d.]+ to [\d.]+ \| 1 \| 3 \|", best)
    assert re.fullmatch(r"\| ng-gnn \(.*\) \| \*\*27\.60 ± 4\.01\*\* \| [\d.]+ to [\d.]+ \| 1 \| 3 \|", other)
    assert caption.startswith("inr-dilation on digits-inrs@1.0.0: dilation-mse, x 10⁻², lower is better")


def test_latex_is_a_booktabs_table_whose_text_is_text(results: Path, cli) -> None:
    def hostile(record: dict) -> None:
        if record["method"]["name"] == "mlp":
            record["method"].update(name=r"a_b&50%$x^2~{}\input", variant=None)

    rewritten(results, hostile)
    put_in_place(results)
    code, out, _ = cli(
        "table", "--results", results, "--task", "inr-dilation", "--zoo", "digits-inrs", "--format", "latex"
    )
    assert code == 0
    name = r"a\_b\&50\%\$x\textasciicircum{}2\textasciitilde{}\{\}\textbackslash{}input"
    assert rf"{name} & \textbf{{25.65 $\pm$ 0.05}} & " in out
    assert r"x 10\textsuperscript{-}\textsuperscript{2}, lower is better" in out
    body = out[out.index(r"\toprule") : out.index(r"\bottomrule")]
    lines = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 3
    assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {4}
    assert r"\begin{tabular}{lrrrr}" in out
    assert out.isascii(), "every LaTeX engine reads it"


def test_csv_is_one_table_of_all_boards(results: Path, cli) -> None:
    out = cli("table", "--results", results, "--format", "csv")[1]
    table = pd.read_csv(io.StringIO(out))
    assert table["task"].value_counts().to_dict() == {"inr-classification": 5, "inr-dilation": 2}
    assert {"low", "high", "group"} <= set(table.columns)


def test_a_failed_row_and_several_classes_of_hardware(results: Path, cli) -> None:
    def on_gpu(record: dict) -> None:
        if record["method"]["name"] == "mlp":
            record["environment"]["gpu"] = "A GPU"

    rewritten(results, on_gpu)
    lines = cli("table", "--results", results, "--task", "inr-classification")[1].splitlines()
    assert lines[0].endswith("| seeds | device |")
    assert any(line.startswith("| mlp | **5.56 ± 9.62** |") and line.endswith("| A GPU |") for line in lines)
    assert any(line.startswith("| broken | failed | - | - | 0 |") for line in lines)


def test_what_is_not_there_is_one_line(results: Path, cli) -> None:
    code, out, err = cli("table", "--results", results, "--task", "property", "--zoo", "moons-mlps")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "no results for --task property --zoo moons-mlps" in err
    assert cli("table", "--results", results, "--format", "word")[0] == 2
