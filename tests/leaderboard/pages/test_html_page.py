"""The page in a real browser: the system's Chromium, without a display, driven by Playwright."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from helpers import planted_zoo
from helpers.recorded import read_results

import weightbench as wb
from weightbench.leaderboard.pages.board_files import write_board

RECORDS = Path(__file__).parents[2] / "fixtures" / "records" / "2"
COMMITTED = Path(__file__).resolve().parents[3] / "leaderboard" / "index.html"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CLASSIFICATION = "inr-classification-digits-inrs-1.0.0"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"

if CHROMIUM is None:
    pytest.skip("the board's page is NOT tested: no chromium here (apt-get install chromium)", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="the board's page is NOT tested: pip install playwright")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of version 1's records; one method's settings and errors hold markup."""
    results = Path(shutil.copytree(RECORDS, tmp_path_factory.mktemp("page") / "results"))
    for path, result in read_results(results):
        if result.method.name == "broken":
            path.write_text(json.dumps(json.loads(path.read_text()) | {"error": HOSTILE}))
        if result.method.name == "ng-gnn":
            record = json.loads(path.read_text())
            record["curves"] = {"train_loss": [2.5, 0.8, 0.3], "val_score": [40.0, 71.0, 80.0 + result.seed]}
            path.write_text(json.dumps(record))
        if result.method.name == "probegen":
            record = json.loads(path.read_text())
            record["environment"][HOSTILE] = HOSTILE
            record["method"]["paper"] = HOSTILE
            path.write_text(json.dumps(record))
    zoo = planted_zoo.write_zoo(tmp_path_factory.mktemp("zoo"), {"only": planted_zoo.networks((4, 6, 3), 100)})
    wb.run("weight-norms", task="property", zoo=zoo, target="sum_of_squares", out=results)
    _, written = write_board(results, results / "board")
    return written[-1].as_uri()


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Any]:
    """opened(anchor, **context) -> a page, by default with the board of classification open; afterwards: no error, no
    dialog, no request but the file itself."""
    troubles: list[str] = []
    contexts = []

    def call(anchor: str = f"#{CLASSIFICATION}", wait: str = ".tabulator-row", **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: troubles.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda asked: asked.url.startswith(address) or troubles.append(f"request: {asked.url}"))
        page.goto(address + anchor)
        if anchor:
            page.locator(wait).first.wait_for()
        return page

    yield call
    for context in contexts:
        context.close()
    assert troubles == []


def board(page: Any) -> Any:
    return page.locator(f"section[id='{CLASSIFICATION}']")


def column(page: Any, name: str) -> list[str]:
    return [text.strip() for text in board(page).locator(f".tabulator-row .tabulator-cell.{name}").all_inner_texts()]


def names(page: Any) -> list[str]:
    return [text.lstrip("▸▾").split(" ")[0].strip() for text in column(page, "method")]


def overview_cell(page: Any, method: str, text: str) -> Any:
    return page.locator(f"tr[data-method='{method}']").get_by_role("link", name=text)


@pytest.mark.parametrize("size", [(1400, 900), (390, 844)])
def test_the_overview_comes_first_and_boards_are_closed(opened: Any, size: tuple[int, int]) -> None:
    page = opened("", viewport={"width": size[0], "height": size[1]})
    table = page.locator("table.overview")
    playwright.expect(table).to_be_in_viewport()
    assert table.evaluate("node => document.querySelector('table, .board') === node"), "no board and no table before it"
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    heads = table.locator("thead th").all_inner_texts()
    assert [text.split("\n")[0].strip() for text in heads] == ["inr-classification", "inr-dilation", "property"]
    assert page.locator(".board").count() == 3
    assert page.locator(".board details[open]").count() == 0
    assert page.locator(".tabulator").count() == 0, "nothing is built before it is asked for"
    tasks = page.locator(".task > h3").all_inner_texts()
    assert tasks == ["inr-classification", "inr-dilation", "property"]


def test_marks_are_read_aloud(opened: Any) -> None:
    page = opened("")
    row = page.locator("tr[data-method='probegen']")
    assert row.get_by_role("rowheader").inner_text() == "probegen"
    assert row.get_by_role("cell").nth(0).get_attribute("class") == "best"
    assert row.get_by_role("link", name="50.00 ± 5.89 best").count() == 1
    assert page.get_by_role("link", name="tied for best").count() == 0, "two seeds of six images tell nothing"
    assert row.get_by_role("cell").nth(1).inner_text() == ""
    assert page.get_by_role("columnheader", name="lower is better").count() == 1


def test_a_cell_leads_to_its_row(opened: Any) -> None:
    page = opened("", viewport={"width": 390, "height": 844}, has_touch=True)
    overview_cell(page, "ng-gnn", "14.58").tap()
    row = board(page).locator(".tabulator-row.target")
    playwright.expect(row.locator(".tabulator-cell").first).to_be_in_viewport()
    assert "ng-gnn" in row.inner_text()
    assert row.locator(".detail").count() == 1
    assert page.locator(".board details[open]").count() == 1
    board(page).locator("summary").first.tap()
    playwright.expect(row).to_be_hidden()
    overview_cell(page, "ng-gnn", "14.58").tap()
    playwright.expect(row).to_be_visible()  # the same address once more


def test_from_the_overview_to_a_row_and_back_by_keyboard(opened: Any) -> None:
    page = opened("")

    def tab_to(wanted: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if wanted in page.evaluate("document.activeElement.outerHTML.slice(0, 400)"):
                return
        raise AssertionError(f"the Tab key never came to {wanted}")

    tab_to('title="weight-stats')
    page.keyboard.press("Enter")
    focused = board(page).get_by_role("button", name="Details of weight-stats")
    playwright.expect(focused).to_be_focused()
    playwright.expect(focused).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Enter")
    playwright.expect(focused).to_have_attribute("aria-expanded", "false")
    page.locator("#search").focus()
    tab_to('href="#overview"')
    page.keyboard.press("Enter")
    playwright.expect(page.locator("table.overview")).to_be_in_viewport()
    page.locator("#inr-dilation-digits-inrs-1\\.0\\.0 summary").first.focus()
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#inr-dilation-digits-inrs-1\\.0\\.0 .tabulator-row").first).to_be_visible()


def test_one_search_opens_the_boards_that_match_and_closes_them_again(opened: Any) -> None:
    page = opened("")
    page.locator("#search").fill("mlp")
    playwright.expect(page.get_by_role("status")).to_have_text("2 rows on 2 boards")
    playwright.expect(page.locator(".board:visible")).to_have_count(2)
    playwright.expect(page.locator(".board details[open]")).to_have_count(2)
    playwright.expect(page.locator(".task:visible > h3")).to_have_text(["inr-classification", "inr-dilation"])
    playwright.expect(page.locator("tr[data-method]:visible")).to_have_count(1)
    playwright.expect(board(page).locator(".tabulator-row")).to_have_count(1)
    page.locator("#search").fill("planted")  # a zoo
    playwright.expect(page.get_by_role("status")).to_have_text("1 row on 1 board")
    page.locator("#search").fill("")
    playwright.expect(page.locator(".board:visible")).to_have_count(3)
    playwright.expect(page.locator(".board details[open]")).to_have_count(0)
    assert page.get_by_role("status").inner_text() == ""
    board(page).locator("summary").first.click()
    playwright.expect(board(page).locator(".tabulator-row")).to_have_count(5)


def test_a_method_has_a_view_of_its_own(opened: Any) -> None:
    page = opened("")
    page.get_by_role("row", name="ng-gnn").get_by_role("link", name="ng-gnn", exact=True).click()
    view = page.locator("#view")
    playwright.expect(view.get_by_role("heading", level=1)).to_have_text("ng-gnn method")
    playwright.expect(view.get_by_role("heading", level=1)).to_be_focused()
    assert page.title() == "ng-gnn, WeightBench leaderboard"
    playwright.expect(page.locator("table.overview")).to_be_hidden()
    assert view.get_by_text("Message passing over the neural graph").count() == 1
    assert view.get_by_text("Declares that answers stay under changes by permutation.").count() == 1
    scores = view.get_by_role("region", name="Scores of ng-gnn").locator("tbody tr").all_inner_texts()
    assert len(scores) == 2
    assert "inr-classification on digits-inrs" in scores[0]
    assert "14.58" in scores[0]
    assert "probegen 50.00" in scores[0], "the best row there"
    costs = view.get_by_role("region", name="Costs of ng-gnn")
    assert costs.locator("thead th").all_inner_texts()[1:3] == ["parameters", "fit, s"]
    assert view.locator("dt", has_text="residual").count() == 1
    assert view.locator(".curves svg[aria-label='val score']").count() == 2
    view.get_by_role("link", name="inr-classification", exact=True).first.click()
    playwright.expect(view).to_have_count(0)
    row = board(page).locator(".tabulator-row.target")
    playwright.expect(row.locator(".tabulator-cell").first).to_be_in_viewport()
    row.get_by_role("link", name="ng-gnn", exact=True).click()
    playwright.expect(view).to_be_visible()
    view.get_by_role("link", name="All its rows on the boards").click()
    playwright.expect(page.locator("#search")).to_have_value("method:ng-gnn")
    playwright.expect(page.get_by_role("status")).to_have_text("2 rows on 2 boards")
    page.locator("#search").fill("zoo:digits")
    playwright.expect(page.get_by_role("status")).to_have_text("No row matches.")  # a whole name, not a part


def test_a_method_s_view_names_the_hardware_where_its_rows_have_several(browser: Any, tmp_path: Path) -> None:
    def heads(name: str) -> list[str]:
        _, written = write_board(results, results / "board")
        page = browser.new_page()
        page.goto(f"{written[-1].as_uri()}#method-mlp")
        region = page.get_by_role("region", name=f"{name} of mlp")
        region.wait_for()
        found = region.locator("thead th").all_inner_texts()
        page.close()
        return found

    results = Path(shutil.copytree(RECORDS, tmp_path / "results"))
    assert "device" not in heads("Scores")
    assert "hardware" in heads("Costs")
    for path, result in read_results(results):
        if (result.method.name, result.task.name) == ("mlp", "inr-dilation"):
            record = json.loads(path.read_text())
            record["environment"].update(device="cuda", gpu="NVIDIA H200")
            path.write_text(json.dumps(record))
    assert "device" in heads("Scores")


def test_a_zoo_has_a_view_of_its_own(opened: Any) -> None:
    page = opened("")
    page.locator("table.overview thead").get_by_role("link", name="digits-inrs").first.click()
    view = page.locator("#view")
    playwright.expect(view.get_by_role("heading", level=1)).to_have_text("digits-inrs zoo")
    assert "four per image" in view.inner_text()
    assert "not the whole" not in view.inner_text()
    assert "A part of the zoo, or another seed." in view.inner_text(), "the records are of 24 networks"
    facts = dict(
        zip(view.locator("dl.facts dt").all_inner_texts(), view.locator("dl.facts dd").all_inner_texts(), strict=True)
    )
    assert facts["architecture"] == "mlp 2-16-16-1 sine, 337 parameters"
    assert facts["training"] == "Adam, 300 steps on all pixels, learning rate 0.0005"
    picture = view.get_by_role("img", name="A source image of each class")
    assert picture.evaluate("node => node.height") == 8
    drawn = "node => new Set(node.getContext('2d').getImageData(0, 0, node.width, 8).data).size"
    assert picture.evaluate(drawn) > 5, "grey levels"
    assert "psnr" in view.get_by_role("region", name="Columns of digits-inrs").inner_text()
    lines = view.get_by_role("region", name="Boards on digits-inrs").locator("tbody tr")
    playwright.expect(lines).to_have_count(2)
    assert lines.first.get_by_role("link", name="probegen").get_attribute("href") == "#method-probegen"
    lines.first.get_by_role("link", name="inr-classification").click()
    playwright.expect(board(page).locator(".tabulator-row")).to_have_count(5)
    own = opened("#zoo-planted", wait=".tabulator-row, #view").locator("#view")
    assert "Not in the catalogue" in own.inner_text()
    assert "sum_of_squares" in own.get_by_role("region", name="Columns of planted").inner_text()
    assert own.get_by_role("heading", name="Get it").count() == 0


def test_to_a_view_and_back_by_keyboard_and_history(opened: Any) -> None:
    page = opened("", viewport={"width": 390, "height": 500})
    name = page.locator("tr[data-method='mlp']").get_by_role("link", name="mlp")
    name.focus()
    before = page.evaluate("scrollY")
    assert before > 0
    page.keyboard.press("Enter")
    playwright.expect(page.get_by_role("heading", level=1, name="mlp")).to_be_focused()
    assert page.evaluate("scrollY") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.go_back()
    playwright.expect(name).to_be_focused()
    assert page.evaluate("scrollY") == before
    assert page.title() == "WeightBench leaderboard"
    page.keyboard.press("Enter")
    page.locator("#view").get_by_role("link", name="Overview").click()
    playwright.expect(page.locator("table.overview")).to_be_in_viewport()
    page.evaluate("location.hash = 'method-nobody'")
    playwright.expect(page.locator("table.overview")).to_be_visible()


def test_printed_tables_stand_beside_ours_in_a_picture(browser: Any, tmp_path: Path) -> None:
    """With those of the committed results that stand for printed ones."""
    kept = "accuracy-decoding/moons-mlps/structure-reps"
    shutil.copytree(COMMITTED.parent / "results" / kept, tmp_path / kept)
    shutil.copytree(COMMITTED.parent / "results" / "zoos", tmp_path / "zoos")
    _, written = write_board(tmp_path, tmp_path / "board")
    page = browser.new_page(viewport={"width": 390, "height": 900}, color_scheme="dark")
    page.goto(written[-1].as_uri() + "#accuracy-decoding-moons-mlps-1.0.0-of-train-accuracy-within-run-representation")
    page.get_by_role("link", name="Printed in StructureReps (2025), Table 1").click()
    table = page.locator("details.measured[open]")
    playwright.expect(table).to_have_count(1)
    playwright.expect(table.locator("summary")).to_be_focused()
    lines = table.locator("tbody tr")
    # Four printed rows, and again those that are measured under the two other readings of what the paper leaves open.
    playwright.expect(lines).to_have_count(4 + 3 + 4)
    assert lines.nth(4).locator("th").inner_text() == "EA+TC+LF (StructureReps), Laplacian of the weights"
    assert lines.first.inner_text().split("\t")[:2] == ["EA+TC+LF (StructureReps)", "0.74 (variance 0.002)"]
    assert lines.first.locator("td").last.inner_text().startswith("0.")
    picture = table.get_by_role("img", name="printed and measured pearson-r")
    assert picture.bounding_box()["width"] <= 390
    printed, ours = picture.locator("[aria-label=dot]").all()
    assert printed.locator("path").count() == 11
    assert ours.locator("circle, path").count() == 11
    assert picture.locator("[aria-label=rule]").count() == 2, "spreads as printed, and our intervals"
    page.get_by_role("link", name="moons-mlps@1.0.0").click()
    playwright.expect(page.locator(".board details[open]")).to_have_count(1)
    page.close()


def test_a_link_to_a_board_that_the_search_hides_ends_the_search(opened: Any) -> None:
    page = opened("#search=zoo:planted")
    playwright.expect(board(page)).to_be_hidden()
    page.evaluate(f"location.hash = '{CLASSIFICATION}'")
    playwright.expect(board(page).locator(".tabulator-row")).to_have_count(5)
    playwright.expect(page.locator("#search")).to_have_value("")
    playwright.expect(board(page).locator("summary").first).to_be_focused()


def test_sorting_by_mouse_and_keyboard(opened: Any) -> None:
    page = opened()
    assert names(page) == ["probegen", "weight-stats", "ng-gnn", "mlp", "broken"]
    assert column(page, "score")[-1] == "failed"
    board(page).locator(".tabulator-col.networks_per_s").click()
    rates = [float(text.replace(",", "")) for text in column(page, "networks_per_s") if text != "\u2013"]
    assert len(rates) == 4
    assert rates == sorted(rates)
    header = board(page).locator(".tabulator-col.score")
    header.focus()
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert names(page)[0] == "probegen"
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    assert names(page)[0] == "mlp"
    assert names(page)[-1] == "broken", "what has no score stays below"


def test_filter_search_and_columns(opened: Any) -> None:
    page = opened()
    filtering = board(page).locator(".tabulator-header-filter input")
    filtering.press_sequentially("ng-")
    playwright.expect(board(page).locator(".tabulator-row")).to_have_count(1)
    filtering.press("Control+a")
    filtering.press("Delete")
    playwright.expect(board(page).locator(".tabulator-row")).to_have_count(5)
    page.locator("#search").fill("trees 5")  # a setting, not a name
    playwright.expect(board(page).locator(".tabulator-row")).to_have_count(1)
    assert names(page) == ["weight-stats"]
    page.locator("#search").fill("nothing like this")
    playwright.expect(page.get_by_role("status")).to_have_text("No row matches.")
    playwright.expect(board(page)).to_be_hidden()
    page.locator("#search").fill("")
    playwright.expect(board(page).locator(".tabulator-row")).to_have_count(5)
    assert not board(page).locator(".tabulator-col.hardware").is_visible()
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("hardware", exact=True).check()
    page.get_by_label("seeds", exact=True).uncheck()
    page.keyboard.press("Escape")
    assert not page.locator("#columns").is_visible()
    playwright.expect(board(page).locator(".tabulator-col.hardware")).to_be_visible()
    playwright.expect(board(page).locator(".tabulator-col.seeds")).to_be_hidden()


def test_a_row_expands_into_its_evidence(opened: Any) -> None:
    page = opened()
    button = board(page).get_by_role("button", name="Details of ng-gnn")
    button.focus()
    page.keyboard.press("Enter")
    detail = board(page).locator(".detail")
    playwright.expect(detail).to_have_count(1)
    assert button.get_attribute("aria-expanded") == "true"
    text = detail.inner_text()
    assert "# DIR: not the whole digits-inrs@1.0.0, but a zoo of recipe " in text, "an old record of a part of the zoo"
    assert "weightbench run ng-gnn --task inr-classification --zoo DIR --seeds 0,1 -p epochs=1" in text
    assert "-p probes=4" in text
    assert detail.locator("table.seeds tbody tr").count() == 2
    assert "arXiv:2403.12143" in text
    assert "torch" in text
    assert detail.locator(".curves svg[aria-label='train loss'] [aria-label=line] path").count() == 2  # seeds
    assert detail.locator(".curves svg[aria-label='val score'] [aria-label=line] path").count() == 2
    box, cell = detail.bounding_box(), detail.locator("dl").last.bounding_box()
    assert cell["y"] + cell["height"] <= box["y"] + box["height"], "nothing is cut off"
    holder = board(page).locator(".tabulator-tableholder")
    assert holder.evaluate("node => node.scrollHeight - node.clientHeight") <= 0
    page.keyboard.press("Enter")
    playwright.expect(detail).to_have_count(0)


def test_other_scores_and_predicted_values_are_shown(opened: Any) -> None:
    page = opened()
    section = page.locator("section[id='property-planted-1.0.0-of-sum-of-squares-across-runs']")
    section.locator("summary").click()
    playwright.expect(section.locator(".tabulator-col").get_by_text("kendall-tau", exact=True)).to_be_visible()
    section.get_by_role("button", name="Details of weight-norms").click()
    dots = section.locator("svg[aria-label='predicted against true'] [aria-label=dot] circle")
    playwright.expect(dots).to_have_count(50)
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("other scores", exact=True).uncheck()
    playwright.expect(section.locator(".tabulator-col").get_by_text("kendall-tau", exact=True)).to_be_hidden()


def test_a_link_leads_to_its_row(opened: Any) -> None:
    page = opened()
    board(page).get_by_role("button", name="Details of mlp").click()
    link = board(page).get_by_role("link", name="link to this row").get_attribute("href")
    assert link.startswith(f"#{CLASSIFICATION}/")
    other = opened(link, viewport={"width": 1280, "height": 500})
    row = board(other).locator(".tabulator-row.target")
    playwright.expect(row).to_be_in_viewport()
    assert "mlp" in row.inner_text()
    assert row.locator(".detail").count() == 1


def test_the_plot_shows_every_scored_row(opened: Any) -> None:
    page = opened()
    figure = board(page).locator("figure")
    dots = figure.locator("svg [aria-label=dot] circle")
    playwright.expect(dots).to_have_count(4)
    assert figure.locator("svg [aria-label=line] path").count() == 1
    assert figure.locator("svg [aria-label=text] text").count() == 4
    before = dots.first.get_attribute("cx")
    figure.get_by_role("combobox").select_option("networks_per_s")
    assert figure.locator("svg [aria-label=dot] circle").first.get_attribute("cx") != before
    assert "networks per second" in figure.locator("svg").get_attribute("aria-label")
    figure.get_by_role("combobox").select_option("parameters")
    playwright.expect(dots).to_have_count(3)  # weight-stats trains no parameters


def test_names_in_a_crowded_plot_do_not_hide_each_other(browser: Any) -> None:
    """The committed board, whose methods differ by seconds in training and tenths of a point."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(COMMITTED.as_uri() + "#inr-classification-mnist-inrs-mini-1.0.0")
    figure = page.locator("#" + "inr-classification-mnist-inrs-mini-1.0.0".replace(".", r"\.")).locator("figure")
    figure.scroll_into_view_if_needed()
    texts = figure.locator("svg [aria-label=text] text")
    texts.first.wait_for()
    boxes = [text.bounding_box() for text in texts.all()]
    dots = figure.locator("svg [aria-label=dot] circle").count()
    assert dots / 2 < len(boxes) <= dots
    for one, other in combinations(boxes, 2):
        below = abs(one["y"] + one["height"] / 2 - other["y"] - other["height"] / 2)
        beside = max(one["x"], other["x"]) - min(one["x"] + one["width"], other["x"] + other["width"])
        assert below > 12 or beside > -4, "letters of 12 pixels; boxes reach 4 farther on each side, for the halo"
    page.close()


def test_phone_dark_and_paper(opened: Any) -> None:
    phone = opened(viewport={"width": 360, "height": 740}, color_scheme="dark", has_touch=True)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    red, green, blue = eval_rgb(phone.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert max(red, green, blue) < 60
    cell = board(phone).locator(".tabulator-row .tabulator-cell.score").first
    assert min(eval_rgb(cell.evaluate("node => getComputedStyle(node).color"))) > 180
    board(phone).get_by_role("button", name="Details of mlp").tap()
    assert board(phone).locator(".detail").bounding_box()["width"] <= 360
    assert board(phone).locator("figure svg").bounding_box()["width"] <= 360
    paper = opened()
    paper.emulate_media(media="print")
    assert board(paper).locator("table").first.is_visible()
    assert not board(paper).locator(".grid").is_visible()
    assert not paper.locator("#bar").is_visible()


def eval_rgb(text: str) -> list[int]:
    return [int(part) for part in text[text.index("(") + 1 : -1].split(",")[:3]]


def test_markup_in_records_is_text(opened: Any) -> None:
    page = opened()
    playwright.expect(board(page).locator(".failed")).to_contain_text(HOSTILE)
    board(page).get_by_role("button", name="Details of probegen").click()
    assert board(page).locator(".detail").inner_text().count(HOSTILE) == 3
    page.evaluate("location.hash = 'method-probegen'")
    playwright.expect(page.locator("#view")).to_contain_text(HOSTILE)  # in place of a paper
    assert page.locator("#view script, #view a[href^='http']").count() == 0
    assert page.locator("img").count() == 0
    assert page.locator("script[src], link[href], iframe").count() == 0


def test_without_scripts_there_are_plain_tables(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    playwright.expect(page.locator("table.overview")).to_be_visible()
    assert not board(page).locator("table").first.is_visible()
    page.locator("table.overview td a").first.click()
    playwright.expect(board(page).locator("tr:target")).to_be_in_viewport()
    assert "probegen" in board(page).locator("tr:target").inner_text()
    assert not page.locator("#bar").is_visible()
    context.close()


def test_a_space_is_the_page_and_its_card(browser: Any, cli, tmp_path: Path) -> None:
    results = shutil.copytree(RECORDS, tmp_path / "results")
    code, out, _ = cli("leaderboard", "--results", results, "--space", tmp_path / "space")
    assert code == 0
    assert "--repo-type space" in out
    card = (tmp_path / "space" / "README.md").read_text()
    assert card.startswith("---\n")
    assert "sdk: static" in card
    page = (tmp_path / "space" / "index.html").read_bytes()
    assert page == (results / "board" / "index.html").read_bytes()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious").touch()
    assert "holds other files" in cli("leaderboard", "--results", results, "--space", tmp_path / "other")[2]
