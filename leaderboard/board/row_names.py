"""What the rows of a board are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...benchmarks.records.result import MethodPart, Result

# Settings that tell rows apart before any other: under a limit, `epochs` says only how many there are at most.
LIMITS = ("flop_limit",)


def row_names(results: Sequence[Result]) -> list[str]:
    """What rows are called: the method's label; where several specs share one, with the settings, as few as do, that
    tell them apart, and with the start of the spec hash where none does (another source, say)."""
    alike: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        alike.setdefault(result.method.label, []).append(result.method.params)
    telling = {label: _telling(every) for label, every in alike.items()}
    found = [_named(result.method, telling[result.method.label]) for result in results]
    specs: dict[str, set[str]] = {}
    for name, result in zip(found, results, strict=True):
        specs.setdefault(name, set()).add(result.spec.hash)
    return [
        f"{name} #{result.spec.hash[:4]}" if len(specs[name]) > 1 else name
        for name, result in zip(found, results, strict=True)
    ]


def _telling(every: list[dict[str, Any]]) -> list[str]:
    """The first settings that tell all of `every` apart, limits before others."""

    def kinds(settings: list[str]) -> int:
        return len({repr([_value(params, name) for name in settings]) for params in every})

    chosen: list[str] = []
    for name in dict.fromkeys((*LIMITS, *(name for params in every for name in params))):
        if kinds([*chosen, name]) > kinds(chosen):
            chosen.append(name)
    return chosen


def _named(method: MethodPart, settings: list[str]) -> str:
    values = {name: _value(method.params, name) for name in settings if name in method.params}
    told = [f"{name}={_text(value)}" for name, value in values.items() if value is not None or name not in LIMITS]
    known = [method.variant] if method.variant else []
    return f"{method.name} ({', '.join(known + told)})" if told else method.label


def _value(params: dict[str, Any], name: str) -> Any:
    """What a setting is; None for a limit that is not set."""
    value = params.get(name)
    return (f"{value:.3g}".replace("e+", "e") if value else None) if name in LIMITS else value


def _text(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)
