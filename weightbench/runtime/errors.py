"""The one error that means "the input is wrong": the command line prints it as a single line and exits with 2."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class BadInput(ValueError):
    """Something the user gave is wrong; the message says what was found, what was expected and how to fix it.

    Example:
        >>> import weightbench as wb
        >>> try:
        ...     wb.load_task("property", "digits-inrs", target="psnrr")
        ... except wb.BadInput as error:
        ...     print(error)
        unknown column 'psnrr': did you mean psnr?
    """


def unknown(what: str, name: str, known: Iterable[str]) -> BadInput:
    """The error for a `name` that is not among `known`, with the nearest ones (or all, when none is near)."""
    known = sorted(known)
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return BadInput(f"unknown {what} {name!r}: did you mean {', '.join(near)}?")
    return BadInput(f"unknown {what} {name!r}: there is {', '.join(known) or 'none'}")
