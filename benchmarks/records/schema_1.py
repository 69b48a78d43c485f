"""Records of schema 1, which identified a method by the checksum of its file, read as those of today."""

from __future__ import annotations

from typing import Any

from ...methods.contract.builtin import builtin_methods


def upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """A record of schema 1 as one of schema 2: version 1 of a method of the suite, else its version and source."""
    method = content.get("method")
    if not isinstance(method, dict):
        return content | {"schema": 2}  # validation says what is wrong with it
    from_file = str(method.get("reference") or "").partition(":")[0].endswith(".py")
    own = method.get("name") in builtin_methods() and not from_file
    version = "1" if own else f"1+{str(method.get('source_sha256'))[:12]}"
    return content | {"schema": 2, "method": {"version": version} | method}
