"""Docstrings as Markdown: lists of arguments, formulas and examples are indented blocks there, and stay what they are.

Also an extension of griffe, so that mkdocstrings shows them so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc
from itertools import groupby
from typing import Any

from griffe import Extension, Object

ENTRY = re.compile(r"([\w<>]+(?:, [\w<>]+)*): (.*)")  # "width, depth: of the layers."


class DocstringMarkdown(Extension):
    """Every docstring that griffe reads, as Markdown."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Replace the text."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(docstring: str) -> str:
    """The text of a docstring as Markdown: entries as a list, examples and formulas as code."""
    lines: list[str] = []
    for indented, block in _blocks(cleandoc(docstring)):
        if not indented:
            lines += [line if line.strip() else "" for line in block]
        elif entries := entries_of(block):
            lines += ["", *(f"- `{names}`: {text}" for names, text in entries.items()), ""]
        else:
            language = "pycon" if block[0].startswith(">>>") else "text"
            lines += ["", f"```{language}", *block, "```", ""]
    return "\n".join(lines)


def entries_of(block: list[str]) -> dict[str, str]:
    """Names and what is said of them; none for a block of another kind."""
    found: dict[str, str] = {}
    for line in block:
        entry = ENTRY.fullmatch(line)
        if entry:
            found[entry[1]] = entry[2]
        elif found and (line.startswith(" ") or not line):
            last = next(reversed(found))
            found[last] = f"{found[last]} {line.strip()}".strip()
        else:
            return {}
    return found


def section(docstring: str, title: str) -> dict[str, str]:
    """What a section of a docstring says of each name, for instance of every one of "Fields:"."""
    before: list[str] = []
    for indented, block in _blocks(cleandoc(docstring)):
        if indented and before and before[-1] == f"{title}:":
            return {name: text for names, text in entries_of(block).items() for name in names.split(", ")}
        before = [line for line in block if line]
    return {}


def without_section(docstring: str, title: str) -> str:
    """A docstring without one of its sections."""
    kept: list[str] = []
    for indented, block in _blocks(cleandoc(docstring)):
        if indented and kept and kept[-1].strip() == f"{title}:":
            kept.pop()
        else:
            kept += [f"    {line}" if indented and line else line for line in block]
    return "\n".join(kept)


def _blocks(text: str) -> Iterator[tuple[bool, list[str]]]:
    """Runs of lines that are indented by four spaces, without those, and of lines that are not."""
    lines = text.splitlines()

    def indented(number: int) -> bool:
        following = next((line for line in lines[number:] if line.strip()), "")
        return following.startswith("    ")

    for is_indented, numbers in groupby(range(len(lines)), indented):
        block = [lines[number] for number in numbers]
        while is_indented and not block[0].strip():
            block.pop(0)
        yield is_indented, [line.removeprefix("    ") for line in block] if is_indented else block
