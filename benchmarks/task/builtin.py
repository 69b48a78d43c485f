"""The tasks that come with the suite: one file each in `benchmarks/tasks/`. Free of torch."""

from __future__ import annotations

from pathlib import Path


def builtin_tasks() -> dict[str, str]:
    """Name -> module; a task's name is that of its file, with dashes."""
    package, _, _ = __package__.rpartition(".")
    folder = Path(__file__).parents[1] / "tasks"
    return {path.stem.replace("_", "-"): f"{package}.tasks.{path.stem}" for path in sorted(folder.glob("[!_]*.py"))}
