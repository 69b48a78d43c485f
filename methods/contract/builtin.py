"""The methods that come with the suite: one file each in one of `FOLDERS`.

Free of torch.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

PACKAGE = __package__.partition(".")[0]
CONTROLS, CEILINGS = "baselines.controls", "baselines.ceilings"
FOLDERS = ("methods", "methods.own", "baselines", CONTROLS, CEILINGS)


@cache
def builtin_methods() -> dict[str, str]:
    """Name -> module; a method's name is that of its file, with dashes."""
    home = Path(__file__).parents[2]
    return {
        path.stem.replace("_", "-"): f"{PACKAGE}.{folder}.{path.stem}"
        for folder in FOLDERS
        for path in sorted((home / folder.replace(".", "/")).glob("*.py"))
        if path.stem != "__init__"
    }


def is_control(name: str) -> bool:
    """Whether a method of the suite is a control, which boards never rank."""
    return builtin_methods().get(name, "").startswith(f"{PACKAGE}.{CONTROLS}.")


def is_ceiling(name: str) -> bool:
    """Whether a method of the suite falls back on the picture that an INR encodes; boards tell it apart."""
    return builtin_methods().get(name, "").startswith(f"{PACKAGE}.{CEILINGS}.")
