"""What a record must be before its predictions are looked at: names, texts, numbers, places."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ...benchmarks.records import zoo_identity
from ...benchmarks.records.result import MethodPart, Result, SymmetryPart
from ...benchmarks.records.results_folder import Record, ResultsFolder, read_record, read_result
from ...methods.contract.builtin import builtin_methods
from ...runtime.errors import BadInput
from ...zoo.storage.manifest import LOCAL, VERSION, ZOO_NAME

RECORD_LIMIT = 2**18  # bytes
NAME = "[a-z0-9]+([.-][a-z0-9]+)*"  # of a task or a method
SHA256 = "[0-9a-f]{64}"
METHOD_VERSION = r"[0-9a-z.]+(\+[0-9a-f]{12})?"
LONGEST_NAME, LONGEST_TEXT = 64, 1000
MOST_RATES = 1000  # half precision is faster than the measured rate, and that may have been taken in a busy moment


def checked_record(path: Path, runs: ResultsFolder) -> Record:
    """A record, if all that can be told without its predictions and zoo holds. Raises BadInput."""
    for part in (path, *(runs.path / parent for parent in path.relative_to(runs.path).parents)):
        if part.is_symlink():
            raise BadInput(f"{part}: is a link; submit real files")
    if (size := path.stat().st_size) > RECORD_LIMIT:
        raise BadInput(f"{path}: the record has {size:,} bytes, at most {RECORD_LIMIT:,} are taken")
    result = read_result(path)
    for place, value in _leaves(json.loads(path.read_bytes())):
        if isinstance(value, float) and not math.isfinite(value):
            raise BadInput(f"{path}: {place}: is {value}; records hold finite numbers")
        if isinstance(value, str) and not (value.isprintable() and len(value) <= LONGEST_TEXT):
            raise BadInput(f"{path}: {place}: {value[:40]!a} is too long, or holds characters that do not print")
    _match(path, "task.name", result.task.name, NAME)
    _match(path, "zoo.name", result.zoo.name, ZOO_NAME)
    _match(path, "method.name", result.method.name, NAME)
    _match(path, "zoo.version", result.zoo.version, VERSION)
    _match(path, "method.version", result.method.version, METHOD_VERSION)
    for other in result.task.options.others:
        _match(path, "task.options.also", other, zoo_identity.PATTERN)
    for place, value in (
        ("zoo.recipe_sha256", result.zoo.recipe_sha256),
        ("zoo.manifest_sha256", result.zoo.manifest_sha256),
        ("method.source_sha256", result.method.source_sha256),
    ):
        _match(path, place, value, SHA256)
    for place, text in (("method.variant", result.method.variant or ""), ("method.paper", result.method.paper)):
        if not text.isascii():
            raise BadInput(f"{path}: {place}: {text!a} holds letters beyond ASCII, which can pass for others")
    if not (0 <= result.seed < 2**32):
        raise BadInput(f"{path}: seed: is {result.seed}, expected 0 to 2^32 - 1")
    _check_date(path, result.finished)
    _check_version(path, result.method)
    _check_variant(path, result)
    _check_training(path, result)
    _check_flops(path, result)
    _check_failure(path, result)
    _check_audit(path, result.symmetry)
    return read_record(path)


def _check_version(path: Path, method: MethodPart) -> None:
    """Raises BadInput when a method of one's own goes by the name of one of the suite, or by another source."""
    own_source = method.version.partition("+")[2]
    if method.name in builtin_methods():
        if own_source:
            raise BadInput(f"{path}: method.name: {method.name} is a method of the suite; give your own another name")
    elif own_source != method.source_sha256[:12]:
        raise BadInput(
            f"{path}: method.version: is {method.version!r}, expected the checksum of the method's file at its end, "
            f"+{method.source_sha256[:12]}; run the cell again"
        )


def _check_date(path: Path, finished: str) -> None:
    """Raises BadInput for no date, and for one in the future; clocks may differ by a day."""
    try:
        found = datetime.strptime(finished, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise BadInput(f"{path}: finished: is {finished[:40]!a}, expected a date as 2026-01-31T12:00:00Z") from None
    if found > datetime.now(UTC) + timedelta(days=1):
        raise BadInput(f"{path}: finished: {finished} is in the future; run the cell again")


def _check_flops(path: Path, result: Result) -> None:
    """Raises BadInput when a machine did more in the seconds of training than it can, by what it says of itself."""
    flops, rate = (result.budget or {}).get("flops"), result.environment.get("gflops")
    if flops is None or not rate or result.cost is None:
        return
    if flops > MOST_RATES * 1e9 * rate * result.cost.fit_s:
        raise BadInput(
            f"{path}: budget.flops: says {flops:.3g} in {result.cost.fit_s:g} s, on a machine of {rate:g} GFLOP/s; "
            "run the cell again"
        )


def _check_training(path: Path, result: Result) -> None:
    """Raises BadInput when the record says of its training what its settings and learning curves do not."""
    for name in ("epochs", "steps", "flops"):
        said = (result.budget or {}).get(name, 0)
        if said is not None and (not isinstance(said, int | float) or said < 0):
            raise BadInput(f"{path}: budget.{name}: is {said!a:.80}, expected a number from 0; run the cell again")
    epochs, asked = (result.budget or {}).get("epochs"), result.method.params.get("epochs")
    if isinstance(epochs, int) and isinstance(asked, int) and epochs > asked:
        raise BadInput(f"{path}: budget.epochs: says {epochs}, method.params.epochs is {asked}; run the cell again")
    for name, values in (result.curves or {}).items():
        if epochs is not None and len(values) != epochs:
            raise BadInput(f"{path}: budget.epochs: says {epochs}, curves.{name} has {len(values)}; run the cell again")
    chosen, curve = result.selection or {}, (result.curves or {}).get("val_score")
    epoch, value = chosen.get("epoch"), chosen.get("val_score")
    if curve and isinstance(epoch, int) and epoch and isinstance(value, int | float):
        found = curve[epoch - 1] if epoch <= len(curve) else None
        if found is None or not math.isclose(found, value, rel_tol=1e-4, abs_tol=1e-4):  # curves have six digits
            raise BadInput(
                f"{path}: selection.val_score: says {value} in epoch {epoch}, curves.val_score has {found}; "
                "run the cell again"
            )


def _check_audit(path: Path, audit: SymmetryPart | None) -> None:
    """Raises BadInput when the symmetry audit has figures that none can have."""
    if audit is None:
        return
    figures = audit.model_dump(include={"permutation", "sign", "scale", "sensitivity"}, exclude_none=True)
    for name, change in figures.items():
        if change < 0:
            raise BadInput(f"{path}: symmetry.{name}: is {change}, expected 0 or more; run the cell again")
        if audit.constant:
            raise BadInput(f"{path}: symmetry.{name}: constant answers have none; run the cell again")


def _check_failure(path: Path, result: Result) -> None:
    """Raises BadInput when a failed run has results, or says nothing of why it failed."""
    if result.status == "ok":
        return
    for name in ("selection", "budget", "score", "scores", "symmetry", "predictions", "cost", "curves"):
        if getattr(result, name) is not None:
            raise BadInput(f"{path}: {name}: a run that failed has none; run the cell again")
    if not result.error:
        raise BadInput(f"{path}: error: is empty, expected why the run failed; run the cell again")


def _check_variant(path: Path, result: Result) -> None:
    """Raises BadInput when the text that names the settings says other settings than the record."""
    left = result.method.variant or ""
    for name, value in result.method.params.items():
        text = f"{name}={'+'.join(map(str, value)) if isinstance(value, list) else value}"
        if left == text or left.startswith(f"{text}, "):
            left = left[len(text) + 2 :]
    if left:
        raise BadInput(f"{path}: method.variant: {left[:80]!a} is not among method.params; run the cell again")


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every key and value of a JSON document, with its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{place} (a key)".strip(), key
            yield from _leaves(inner, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{place}[{number}]")
    else:
        yield place, value


def _match(path: Path, place: str, value: str, pattern: str) -> None:
    if not re.fullmatch(pattern, value) or len(value) > LONGEST_NAME:
        wanted = {
            NAME: "small letters, digits, single dashes and dots",
            ZOO_NAME: "small letters, digits and single dashes",
            VERSION: f"1.2.3 or 1.2.3{LOCAL}",
            SHA256: "64 hex digits",
            zoo_identity.PATTERN: "name@version-recipe",
            METHOD_VERSION: "a number, and for a method of one's own +checksum",
        }
        raise BadInput(f"{path}: {place}: {value[:80]!a} is refused; expected {wanted[pattern]}")
