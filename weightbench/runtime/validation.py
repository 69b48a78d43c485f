"""What pydantic finds wrong, in one line."""

from __future__ import annotations

from pydantic import ValidationError


def first_error(error: ValidationError) -> tuple[str, str]:
    """The field ("the file" for the whole) and the message of the first thing that is wrong."""
    first = error.errors()[0]
    return ".".join(str(part) for part in first["loc"]) or "the file", first["msg"]
