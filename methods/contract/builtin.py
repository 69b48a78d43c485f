"""The methods that come with the suite: one file each in `methods/` and `baselines/`. Free of torch."""

from __future__ import annotations

from pathlib import Path

PACKAGE = __package__.partition(".")[0]
FOLDERS = ("methods", "baselines")


def builtin_methods() -> dict[str, str]:
    """Name -> module; a method's name is that of its file, with dashes."""
    home = Path(__file__).parents[2]
    return {
        path.stem.replace("_", "-"): f"{PACKAGE}.{folder}.{path.stem}"
        for folder in FOLDERS
        for path in sorted((home / folder).glob("*.py"))
        if path.stem != "__init__"
    }
