"""A hook of mkdocs: what the pages link to outside `docs/` is on the site too, and links lead there.

The repository's Markdown has one copy, written for its own place. `README.md` is the first page; a Markdown file
elsewhere is a page at its own path (`leaderboard/README.md` at `leaderboard.md`); other files and folders that a page
links to are shown as text, but for pictures, web pages and tables, which are copied.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
SHOWN = ["README.md", "leaderboard/REPRODUCTION.md", "leaderboard/index.html"]  # whether or not a page links to them
COPIED = {".png", ".svg", ".html", ".csv"}
LINK = re.compile(r"(?<=\]\()[^)\s#]+(?=[)#])|(?<=\]: )[^\s#]+")  # [text](link), [name]: link


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the first pages and, page by page, what is linked to."""
    written = [path for file in files.documentation_pages() if (path := file.abs_src_path) and path.endswith(".md")]
    unread = [*SHOWN, *(_place(path) for path in written)]
    places = set(unread)
    while unread:
        place = unread.pop()
        address = site_path(place)
        if files.get_file_from_path(address) is None:
            files.append(_file(place, address, config))
        if place.endswith(".md"):
            linked = set(_linked((ROOT / place).read_text(), place)) - places
            places |= linked
            unread += sorted(linked)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages."""
    if page.file.abs_src_path is None:
        return markdown  # made for the site
    place = _place(page.file.abs_src_path)
    folder = PurePosixPath(page.file.src_uri).parent

    def mapped(link: re.Match[str]) -> str:
        target = _target(link[0], place)
        return link[0] if target is None else os.path.relpath(site_path(target), folder)

    return LINK.sub(mapped, markdown)


def site_path(place: str) -> str:
    """Where a file or folder of the repository lies on the site, as mkdocs names pages: by their Markdown."""
    path = PurePosixPath(place)
    if path == PurePosixPath("README.md"):
        return "index.md"
    if path.is_relative_to("docs"):
        return path.relative_to("docs").as_posix()
    if path.name == "README.md":
        return f"{path.parent}.md"
    return place if path.suffix in {".md", *COPIED} else f"{place}.md"


def _place(path: str) -> str:
    return Path(path).resolve().relative_to(ROOT).as_posix()


def _linked(markdown: str, place: str) -> Iterator[str]:
    for link in LINK.finditer(markdown):
        if target := _target(link[0], place):
            yield target


def _target(link: str, place: str) -> str | None:
    """The file or folder of the repository that a link in `place` means; None for an address elsewhere."""
    path = Path(os.path.normpath(ROOT / PurePosixPath(place).parent / link))
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) and path.exists() else None


def _file(place: str, address: str, config: MkDocsConfig) -> File:
    path = ROOT / place
    if path.suffix == ".md" or path.suffix in COPIED:
        return File.generated(config, address, abs_src_path=str(path))
    shown = sorted(p for p in path.iterdir() if p.is_file() and p.suffix != ".py") if path.is_dir() else [path]
    text = "\n\n".join(f"## {p.name}\n\n```{p.suffix[1:]}\n{p.read_text()}```" for p in shown)
    return File.generated(config, address, content=f"# {place}\n\n{text}\n", inclusion=InclusionLevel.NOT_IN_NAV)
