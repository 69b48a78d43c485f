"""How a zoo is named where nothing less would do: name, version and how its recipe's checksum begins. Torch-free."""

from __future__ import annotations

import re
from typing import NamedTuple

from ...runtime.errors import BadInput
from ...zoo.storage.manifest import VERSION, ZOO_NAME

DIGITS = 8  # of the checksum
PATTERN = f"{ZOO_NAME}@{VERSION}-[0-9a-f]{{{DIGITS}}}"


def is_identity(text: str) -> bool:
    """Whether a text names a zoo in full."""
    return re.fullmatch(PATTERN, text) is not None


class ZooIdentity(NamedTuple):
    """Reads "digits-inrs@1.0.0-55a9b2ee"; files of truths are called so, and boards with a second zoo name it so."""

    name: str
    version: str
    recipe_sha256: str  # all of it, or its first digits

    def __str__(self) -> str:
        return f"{self.name}@{self.version}-{self.recipe_sha256[:DIGITS]}"

    @classmethod
    def parse(cls, text: str) -> ZooIdentity:
        """Raises BadInput for a text that names no zoo."""
        if not is_identity(text):
            raise BadInput(
                f"{text[:80]!a} names no zoo; expected name@version-recipe, for instance NAME@1.0.0-0123abcd"
            )
        name, _, rest = text.partition("@")
        version, _, recipe = rest.rpartition("-")
        return cls(name, version, recipe)
