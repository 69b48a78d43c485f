"""The documentation site: builds without a warning, says what its sources say, asks nothing of the network."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("mkdocs", reason="the extra `docs` is not installed: make docs")
from bs4 import BeautifulSoup, Tag
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "README.md": "index.html",
    "CONTRIBUTING.md": "CONTRIBUTING.html",
    "CHANGELOG.md": "CHANGELOG.html",
    "leaderboard/README.md": "leaderboard.html",
    "leaderboard/REPRODUCTION.md": "leaderboard/REPRODUCTION.html",
} | {f"docs/{path.name}": f"{path.stem}.html" for path in (ROOT / "docs").glob("*.md")}


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


def test_what_the_site_carries_is_what_its_authors_published() -> None:
    folder = ROOT / "docs" / "vendor"
    listed = tomllib.loads((folder / "vendor.toml").read_text())
    assert set(listed) == {file.name for file in folder.glob("*.js")}
    for name, about in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == about["sha256"]
