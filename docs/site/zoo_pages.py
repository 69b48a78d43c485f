"""A hook of mkdocs: a page for every standard zoo, made of its recipe, with its datasheet."""

from __future__ import annotations

import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from weightbench.zoo.recipes.catalogue import STANDARD, catalogue, facts_of
from weightbench.zoo.recipes.zoo_entry import ZooEntry
from weightbench.zoo.storage.datasheet import datasheet


def on_config(config: MkDocsConfig) -> None:
    """Put the pages into the navigation, under "Zoos"."""
    (zoos,) = [part["Zoos"] for part in config.nav or [] if "Zoos" in part]
    zoos.append({"Zoos one by one": [{entry.name: f"zoos/{entry.name}.md"} for entry in catalogue()]})


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Write the pages."""
    for entry in catalogue():
        files.append(File.generated(config, f"zoos/{entry.name}.md", content=zoo_page(entry)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Link the zoos of the table on the first page to their pages."""
    if page.file.src_uri != "index.md":
        return markdown

    def linked(row: re.Match[str]) -> str:
        return re.sub(rf"`({known})`", r"[`\1`](zoos/\1.md)", row[0])

    known = "|".join(sorted((entry.name for entry in catalogue()), key=len, reverse=True))
    return re.sub(rf"^\| `(?:{known})`[^|]*\|", linked, markdown, flags=re.MULTILINE)


def zoo_page(entry: ZooEntry) -> str:
    """The page of one zoo, as Markdown."""
    facts = facts_of(entry)
    inr = entry.recipe.kind == "inr"
    sizes = "; ".join(f"`{key}`: {arch}, {arch.num_params:,}" for key, arch in facts.architectures.items())
    minutes = ", ".join(f"{minutes:g} on {device}" for device, minutes in entry.build_minutes.items())
    rows = {
        "version": entry.version,
        "networks": f"{entry.networks:,}",
        "images in each split" if inr else "runs in each split": ", ".join(
            f"{k} {v:,}" for k, v in entry.splits.items()
        ),
        "architectures, parameters": sizes,
        "source data": "; ".join(f"{source.citation} ({source.license})" for source in facts.sources),
        "size": f"{entry.megabytes} MB" if entry.megabytes else "-",
        "minutes to build": minutes or "-",
    }
    made = (
        "`load_zoo` builds it on first use." if entry.embedded else f"`weightbench zoo build {entry.name}` builds it."
    )
    return "\n".join(
        [
            f"# {entry.name}",
            "",
            f"{entry.description}. {made} [Zoos](../zoos.md) explains format, splits and the fields of a recipe.",
            "",
            "| what | of this zoo |",
            "| --- | --- |",
            *(f"| {name} | {value} |" for name, value in rows.items()),
            "",
            "## Datasheet",
            "",
            "After Gebru et al., *Datasheets for Datasets* (2021); also on the card in a zoo's folder, and printed by",
            f"`weightbench zoo info {entry.name} --datasheet`.",
            "",
            *(line for heading, text in datasheet(facts).items() for line in (f"### {heading}", "", text, "")),
            "## Recipe",
            "",
            "```toml",
            (STANDARD / f"{entry.name}.toml").read_text().rstrip(),
            "```",
        ]
    )
