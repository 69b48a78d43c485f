"""A hook of mkdocs: a page for every method, made of its code and of the official scores whenever the site is built."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pandas as pd
from docstring_markdown import as_markdown, section, without_section
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from weightbench.leaderboard.board.columns import number
from weightbench.leaderboard.pages.board_tables import slug
from weightbench.methods.contract.builtin import builtin_methods, is_control
from weightbench.methods.contract.method import Method, field_types
from weightbench.methods.contract.plug_in import source_of
from weightbench.methods.contract.registry import load_class

ROOT = Path(__file__).resolve().parents[2]
SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def on_config(config: MkDocsConfig) -> None:
    """Put the pages into the navigation, under "Methods"."""
    (methods,) = [part["Methods"] for part in config.nav or [] if "Methods" in part]
    kinds: dict[str, list[Any]] = {"Methods": [], "Baselines": [], "Controls": []}
    for name in builtin_methods():
        kinds[_kind(name)].append({name: f"methods/{name}.md"})
    methods += [{f"{kind} one by one" if kind == "Methods" else kind: pages} for kind, pages in kinds.items()]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Write the pages."""
    rows, boards = pd.read_csv(ROOT / "leaderboard/scores.csv"), (ROOT / "leaderboard/README.md").read_text()
    for name in builtin_methods():
        files.append(File.generated(config, f"methods/{name}.md", content=method_page(name, rows, boards)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Link the methods of the table that lists them to their pages."""
    if page.file.src_uri != "methods.md":
        return markdown
    known = "|".join(builtin_methods())
    return re.sub(rf"^\| `({known})` \|", r"| [`\1`](methods/\1.md) |", markdown, flags=re.MULTILINE)


def method_page(name: str, rows: pd.DataFrame, boards: str) -> str:
    """The page of one method, as Markdown; `rows` are the official scores, `boards` the page of the leaderboard."""
    method = load_class(name)
    module = inspect.getdoc(sys.modules[method.__module__]) or ""
    about = without_section(method.__doc__ or "", "Fields")
    return "\n".join(
        [
            f"# {name}",
            "",
            as_markdown(module),
            "",
            as_markdown(about),
            "",
            *_table(["what", "of this method"], _facts(method)),
            "",
            *_hyperparameters(method),
            "",
            "## Scores on the official boards",
            "",
            *_scores(name, rows, boards),
            "",
            "## Code",
            "",
            f'??? note "{Path(inspect.getfile(method)).resolve().relative_to(ROOT).as_posix()}"',
            "    ```python",
            *(f"    {line}" for line in source_of(method).decode().splitlines()),
            "    ```",
        ]
    )


def _kind(name: str) -> str:
    if is_control(name):
        return "Controls"
    return "Baselines" if ".baselines." in builtin_methods()[name] else "Methods"


def _facts(method: type[Method]) -> list[list[str]]:
    verbs = {"predict": "predicts", "transform": "embeds", "align": "aligns"}
    arxiv = method.paper.removeprefix("arXiv:")
    source = f"[{method.paper}](https://arxiv.org/abs/{arxiv})" if arxiv != method.paper else method.paper
    _, _, takes, _, parameters, recipe = _listed(method.name)
    return [
        ["kind", _kind(method.name).lower().removesuffix("s")],
        ["source", source or "-"],
        ["invariant to", ", ".join(method.symmetries) or "-"],
        ["takes", takes],
        ["tasks", ", ".join(f"`{task}`" for task in method.tasks)],
        ["is asked for", ", ".join(text for verb, text in verbs.items() if method.has(verb))],  # type: ignore[arg-type]
        ["parameters at 2-32-32-1, ten classes", parameters],
        ["default recipe", recipe],
        ["version", method.version],
    ]


def _listed(name: str) -> list[str]:
    """The cells of a method's row in docs/methods.md, which a test compares with the code."""
    (line,) = re.findall(rf"^\| `{name}` \|.*$", (ROOT / "docs/methods.md").read_text(), re.MULTILINE)
    return [cell.strip() for cell in line.strip("|").split("|")]


def _hyperparameters(method: type[Method]) -> list[str]:
    fields, types = dataclasses.fields(method), field_types(method)
    if not fields:
        return ["It has no hyperparameters."]
    said: dict[str, str] = {}
    for base in reversed(method.__mro__):
        said |= section(base.__doc__ or "", "Fields")
    rows = [[f"`{f.name}`", f"`{_text(f.default)}`", _type(types[f.name]), said.get(f.name, "")] for f in fields]
    of_training = [field.name in method.recipe_fields for field in fields]
    lines: list[str] = []
    for title, wanted in (("## Hyperparameters", False), ("## How it is trained", True)):
        if chosen := [row for row, is_recipe in zip(rows, of_training, strict=True) if is_recipe is wanted]:
            lines += [title, "", *_table(["field", "default", "takes", "meaning"], chosen), ""]
    return lines


def _text(value: Any) -> str:
    return "+".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


def _type(hint: Any) -> str:
    """A field's type with its range, in words."""
    if get_origin(hint) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(hint))
    if get_origin(hint) is Annotated:
        plain, *marks = get_args(hint)
        flat = [part for mark in marks for part in getattr(mark, "metadata", [mark])]
        limits = [f"{s} {getattr(part, key)}" for part in flat for key, s in SIGNS.items() if hasattr(part, key)]
        return " ".join([_type(plain), ", ".join(limits)]).strip()
    if get_origin(hint) is tuple:
        return f"any of {_type(get_args(hint)[0])}"
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("|", "or")


def _scores(name: str, rows: pd.DataFrame, boards: str) -> list[str]:
    found: list[list[str]] = []
    for (task, options, zoo, _), board in rows.fillna({"options": ""}).groupby(
        ["task", "options", "zoo", "recipe"], sort=False
    ):
        anchor = slug(f"{task}-{zoo}" + (f"-{options}" if options else ""))
        title = f"{task} {options}".strip()
        heading = re.search(rf'<a id="{re.escape(anchor)}"></a>\n\n### .*\n\n(.*?);', boards)
        scored = board.dropna(subset=["score"]).reset_index(drop=True)
        for place, row in scored.iterrows():
            label, _, settings = row["method"].partition(" ")
            if label == name:
                spread = "" if pd.isna(row["std"]) else f" ± {row['std']:.2f}"
                interval = "" if pd.isna(row["low"]) else f"{number(row['low'])} to {number(row['high'])}"
                group = "" if pd.isna(row["group"]) else f"{row['group']:.0f}"
                found.append(
                    [
                        f"[{title}](../leaderboard.md#{anchor})" if heading else title,
                        zoo.partition("@")[0],
                        settings.strip("()"),
                        heading[1] if heading else "",
                        number(row["score"]) + spread,
                        interval,
                        group,
                        f"{place + 1} of {len(scored)}",
                    ]
                )
    if not found:
        return ["None yet."]
    header = ["task", "zoo", "settings", "metric", "score", "95 % interval", "tie group", "row"]
    about = "From `leaderboard/scores.csv`; [Results and statistics](../results.md) explains intervals and tie groups."
    return [about, "", *_table(header, found)]


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in [header, ["---"] * len(header), *rows]]
