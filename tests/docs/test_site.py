"""The documentation site: builds without a warning, says what its sources say, asks nothing of the network."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pandas as pd
import pytest

pytest.importorskip("mkdocs", reason="the extra `docs` is not installed: make docs")
from bs4 import BeautifulSoup, Tag
from markdown_it import MarkdownIt

import weightbench as wb
from weightbench.methods.contract.builtin import builtin_methods
from weightbench.methods.contract.registry import load_class
from weightbench.zoo.recipes.catalogue import catalogue, facts_of
from weightbench.zoo.recipes.zoo_entry import ZooEntry
from weightbench.zoo.storage.datasheet import datasheet

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "README.md": "index.html",
    "CONTRIBUTING.md": "CONTRIBUTING.html",
    "CHANGELOG.md": "CHANGELOG.html",
    "leaderboard/README.md": "leaderboard.html",
    "leaderboard/REPRODUCTION.md": "leaderboard/REPRODUCTION.html",
} | {f"docs/{path.name}": f"{path.stem}.html" for path in (ROOT / "docs").glob("*.md") if path.name != "api.md"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def parts(html: Tag) -> Counter[str]:
    names = ["h1", "h2", "h3", "p", "ol", "ul", "li", "pre", "table", "tr", "img", "strong", "em", "blockquote"]
    # Paragraphs of list items apart, which only one of the two dialects writes where the items are far apart.
    return Counter(tag.name for tag in html.find_all(names)) - Counter("p" for _ in html.select("li > p"))


@pytest.mark.parametrize("source", PAGES)
def test_a_page_reads_as_its_source_does_elsewhere(site: Path, source: str) -> None:
    """GitHub reads CommonMark, the site's Markdown is another dialect: the sources are written for both."""
    elsewhere = MarkdownIt("commonmark").enable("table").render((ROOT / source).read_text())
    article = BeautifulSoup((site / PAGES[source]).read_text(), "html.parser").find("article")
    assert isinstance(article, Tag)
    assert parts(article) == parts(BeautifulSoup(elsewhere, "html.parser"))


def test_the_site_is_whole_and_asks_nothing_of_the_network(site: Path) -> None:
    for page in site.rglob("*.html"):
        if page == site / "leaderboard/index.html":  # the board's own page, with tests of its own
            continue
        for tag in BeautifulSoup(page.read_text(), "html.parser").find_all(["a", "link", "script", "img", "iframe"]):
            address = urlsplit(str(tag.get("src") or tag.get("href") or ""))
            if address.scheme or address.netloc:
                assert tag.name == "a", f"{page.name} loads {address.geturl()}"
            elif address.path and page.name != "404.html":  # whose addresses are a server's
                assert (page.parent / unquote(address.path)).exists(), f"{page.name} leads to {address.path}"


def test_links_to_files_of_the_repository_lead_to_their_pages(site: Path) -> None:
    assert 'href="zoo/standard.html"' in (site / "zoos.html").read_text()
    assert "mnist-inrs.toml" in (site / "zoo/standard.html").read_text()
    assert 'href="leaderboard.html#inr-classification-' in (site / "index.html").read_text()


@pytest.mark.parametrize("name", builtin_methods())
def test_a_method_has_a_page_with_its_official_scores(site: Path, name: str) -> None:
    assert f'href="methods/{name}.html"' in (site / "methods.html").read_text()
    page = BeautifulSoup((site / f"methods/{name}.html").read_text(), "html.parser")
    scores = pd.read_csv(ROOT / "leaderboard/scores.csv").dropna(subset=["score"])
    wanted = [f"{row.score:.2f}" for row in scores.itertuples() if row.method.split(" (")[0] == name]
    heading = page.find("h2", id="scores-on-the-official-boards")
    assert isinstance(heading, Tag)
    table = heading.find_next_sibling("table")
    rows = table.select("tbody tr") if isinstance(table, Tag) else []
    assert [row.find_all("td")[4].text.split(" ")[0] for row in rows] == wanted
    assert all("better" in row.find_all("td")[3].text for row in rows)
    named = {code.text for code in page.select("td:first-child code")}
    assert named == {field.name for field in dataclasses.fields(load_class(name))}


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.name)
def test_a_zoo_has_a_page_with_its_datasheet(site: Path, entry: ZooEntry) -> None:
    assert f'href="zoos/{entry.name}.html"' in (site / "index.html").read_text()
    page = BeautifulSoup((site / f"zoos/{entry.name}.html").read_text(), "html.parser")
    headings = [heading.text.removesuffix("\N{PILCROW SIGN}") for heading in page.select("article h3")]
    assert headings == list(datasheet(facts_of(entry)))
    assert f"{entry.networks:,} networks" in page.get_text()


def test_the_page_on_the_api_says_what_docstrings_say(site: Path) -> None:
    page = BeautifulSoup((site / "api.html").read_text(), "html.parser")
    assert {heading["id"] for heading in page.select("h3")} == {f"weightbench.{name}" for name in wb.__all__}
    networks = page.find("h3", id="weightbench.Networks")
    assert isinstance(networks, Tag)
    assert "float tensor [B, P]" in networks.find_next("ul").text
    assert ">>> networks.weights[0].shape" in networks.find_next("pre").text


def test_what_the_site_carries_is_what_its_authors_published() -> None:
    folder = ROOT / "docs" / "vendor"
    listed = tomllib.loads((folder / "vendor.toml").read_text())
    assert set(listed) == {file.name for file in folder.glob("*.js")}
    for name, about in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == about["sha256"]
