"""The overview in Markdown: its links, its place in the project's README, names from records as text."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import pytest
from helpers.recorded import put_in_place, rewritten, with_tie_groups

from weightbench.leaderboard.board.board import load_boards
from weightbench.leaderboard.pages.board_drift import drift
from weightbench.leaderboard.pages.board_files import board_files, write_board
from weightbench.leaderboard.pages.markdown_overview import BEGIN, END
from weightbench.runtime.errors import BadInput

ROOT = Path(__file__).resolve().parents[3]
RECORDS = ROOT / "tests" / "fixtures" / "records" / "2"
HOSTILE = "a|b<img src=x onerror=alert(1)>`[c](d)"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RECORDS, tmp_path / "results"))


def table(text: str) -> list[list[str]]:
    """The cells of the first table."""
    lines = text[text.index("|  |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_best_is_bold_ties_are_italic_and_what_was_not_run_is_blank(results: Path) -> None:
    header, _, *rows = table(board_files(load_boards(with_tie_groups(results)))["README.md"])
    assert header[0] == ""
    assert header[1] == "[inr-classification] on digits-inrs<br>accuracy, % ↑"
    assert header[2] == "[inr-dilation] on digits-inrs<br>dilation-mse, x 10⁻² ↓"
    assert ["probegen", "**[51.39 ± 4.81][inr-classification]**", ""] in rows
    assert ["weight-stats", "*[20.83 ± 0.00][inr-classification]*", ""] in rows
    assert ["mlp", "[5.56 ± 9.62][inr-classification]", "**[25.65 ± 0.05][inr-dilation]**"] in rows
    assert ["broken", "[failed][inr-classification]", ""] in rows


def test_every_link_of_the_committed_overview_leads_somewhere() -> None:
    board = (ROOT / "leaderboard" / "README.md").read_text()
    anchors = re.findall(r'<a id="([^"]+)"></a>', board)
    assert len(anchors) == len(set(anchors)) > 20
    for address, text in (("", board), ("leaderboard/README.md", (ROOT / "README.md").read_text())):
        links = dict(re.findall(r"^\[([^\]]+)\]: (\S+)$", text, re.MULTILINE))
        used = set(re.findall(r"\]\[([^\]]+)\]", text))
        assert used == set(links)
        for link in links.values():
            file, _, anchor = link.partition("#")
            assert file == address
            assert anchor in anchors
    page = (ROOT / "leaderboard" / "index.html").read_text()
    shown = page[page.index('<section id="overview"') : page.index("</section>")]
    links = [html.unescape(link) for link in re.findall(r'<td[^>]*><a href="#([^"]+)"', shown)]
    assert len(links) > 40
    assert set(links) <= set(re.findall(r'<tr id="([^"]+)"', page)), "each cell has its row"


def test_names_from_records_are_text(results: Path) -> None:
    def hostile(record: dict) -> None:
        if record["method"]["name"] in ("probegen", "weight-stats"):
            record["method"]["name"] = HOSTILE
            record["method"]["variant"] = '"><img src=x>'

    rewritten(results, hostile)
    put_in_place(results)
    files = board_files(load_boards(results))
    assert "<img" not in files["README.md"]
    assert {len(row) for row in table(files["README.md"])} == {3}
    assert "\\[c\\](d)" in files["README.md"]
    assert "<img" not in files["index.html"].partition('<script type="text/plain" id="licences">')[0]
    assert html.escape(HOSTILE, quote=False) in files["index.html"]


def test_the_project_readme_holds_the_overview_between_its_comments(results: Path, tmp_path: Path) -> None:
    readme, out = tmp_path / "README.md", tmp_path / "board"
    readme.write_text(f"# A project\n\n{BEGIN}\nof last week\n{END}\n\nThe rest.\n")
    write_board(results, out, readme=readme)
    text = readme.read_text()
    assert text.startswith(f"# A project\n\n{BEGIN}\n\nOf 5 methods")
    assert text.endswith(f"\n{END}\n\nThe rest.\n")
    assert "last week" not in text
    assert "[inr-dilation]: leaderboard/README.md#inr-dilation-digits-inrs-1.0.0\n" in text
    assert drift(results, out, readme=readme).problems == []
    write_board(results, out, readme=readme)
    assert readme.read_text() == text, "written again, nothing is added"
    readme.write_text(text.replace("50.00", "99.00"))
    assert drift(results, out, readme=readme).problems == [f"{readme}: differs from what {results} gives"]
    assert drift(results, out).problems == [], "another board than the committed one touches no README"


@pytest.mark.parametrize("text", ["nothing", f"{BEGIN} alone", f"{END}\n{BEGIN}"])
def test_a_readme_without_a_place_for_the_overview_is_refused_before_anything_is_written(
    results: Path, tmp_path: Path, text: str
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(BadInput, match=r"README.md: no place for the overview; put a line <!-- overview"):
        write_board(results, tmp_path / "board", readme=readme)
    assert readme.read_text() == text
    assert not (tmp_path / "board").exists()
