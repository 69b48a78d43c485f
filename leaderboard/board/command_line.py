"""The command line that runs a row again, as far as its records know it. Torch-free."""

from __future__ import annotations

import json
import shlex

from ...benchmarks.records.result import Result
from ...benchmarks.records.zoo_identity import ZooIdentity
from ...methods.contract.builtin import builtin_methods
from ...zoo.recipes.catalogue import catalogue_entry, zoo_names
from ...zoo.storage.manifest import LOCAL


def command(results: list[Result]) -> str:
    """The command line for a row, quoted for a shell.

    What the records cannot name is in capitals, and a comment above says what belongs there.
    """
    first = results[0]
    method, zoo, options, comments = first.method, first.zoo, first.task.options, []
    file = next((r.method.reference for r in results if r.method.reference), None)
    if file is None and method.name in builtin_methods():
        file = method.name
    elif file is None:
        file = "FILE.py"
        source = f"sources/{method.source_sha256}.py"
        comments.append(f"FILE.py: {method.name}, which is no method of this suite: {source} in the results folder")
    task = next((r.task.reference for r in results if r.task.reference), None)
    if task is None and first.task.is_plug_in:
        task = "TASK.py"
        source = f"sources/{first.task.source_sha256}.py"
        comments.append(f"TASK.py: {first.task.name}, which is no task of this suite: {source} in the results folder")
    folder = next((r.zoo.reference for r in results if r.zoo.reference), None)
    if folder is None and _is_named(zoo.name, zoo.version, zoo.recipe_sha256):
        folder = f"{zoo.name}@{zoo.version}"
    elif folder is None:
        folder = "DIR"
        comments.append(f"DIR: not the whole {zoo.name}@{zoo.version}, but a zoo of recipe {zoo.recipe_sha256[:8]}")
    others = [other if _is_named(*ZooIdentity.parse(other)) else "ALSO_DIR" for other in options.others]
    comments += [f"ALSO_DIR: {known}" for known, other in zip(options.others, others, strict=True) if other != known]
    words = ["weightbench", "run", file, "--task", task or first.task.name, "--zoo", folder]
    for option, value in (dict(options) | {"also": ",".join(others) or None}).items():
        if value not in (None, "supervised"):
            words += [f"--{option}", str(value)]
    words += ["--seeds", ",".join(str(result.seed) for result in results)]
    for name, value in method.params.items():
        if isinstance(value, str | int | float):
            words += ["-p", f"{name}={value}"]
        elif isinstance(value, list | tuple):
            words += ["-p", f"{name}={json.dumps(value)}"]
    return "\n".join([*(f"# {' '.join(line.split())}" for line in comments), shlex.join(words)])


def _is_named(name: str, version: str, recipe: str) -> bool:
    """Whether name and version alone say which zoo it is: of a standard one they mean the whole."""
    if name not in zoo_names() or version.endswith(LOCAL):
        return True
    return catalogue_entry(name).recipe_sha256.startswith(recipe)
