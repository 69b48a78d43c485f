"""What goes wrong in reading a network becomes one line that names what was read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from ....runtime.errors import BadInput
from ....runtime.validation import first_error

MISFITS = (ValueError, LookupError, TypeError, ArithmeticError, AttributeError)  # what wrong attributes lead to


@contextmanager
def refused_as(what: str) -> Iterator[None]:
    """Raises BadInput that begins with `what` for a misfit; one that was raised inside names its place already."""
    try:
        yield
    except BadInput:
        raise
    except ValidationError as error:
        field, message = first_error(error)
        place = "" if field == "the file" else f"{field}: "
        raise BadInput(f"{what}: {place}{message.removeprefix('Value error, ')}") from None
    except MISFITS as error:
        raise BadInput(f"{what}: {str(error) or type(error).__name__}") from None
