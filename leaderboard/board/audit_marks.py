"""What the symmetry audit of a row's records says against what its method declares."""

from __future__ import annotations

from collections.abc import Sequence

from ...benchmarks.records.result import Result, SymmetryName, SymmetryPart
from ...methods.contract.builtin import builtin_methods

ROUNDING = 1e-6  # of the same: an answer that moves less does not move
NOTICEABLE = 0.01  # of the spread between networks: far above rounding, also of half precision
SIGN = "⚠"

# What the suite's methods declared when records did not say it; all others of that time declared nothing.
DECLARED_EARLIER: dict[str, tuple[SymmetryName, ...]] = {
    **dict.fromkeys(
        ("dwsnet", "nfn-np", "nfn-hnp", "ng-gnn", "ng-gnn-residual", "ng-t", "weight-stats"), ("permutation",)
    ),
    **dict.fromkeys(("graph-metrics", "weight-norms"), ("permutation", "sign")),
    **dict.fromkeys(("scale-gmn", "probegen", "vanilla-probe", "inr-decode"), ("permutation", "sign", "scale")),
}


def figures(part: SymmetryPart | None) -> dict[SymmetryName, float]:
    """The changes that were measured, by kind."""
    found: dict[SymmetryName, float | None] = (
        {"permutation": part.permutation, "sign": part.sign, "scale": part.scale} if part else {}
    )
    return {kind: change for kind, change in found.items() if change is not None}


def declared(result: Result) -> Sequence[SymmetryName] | None:
    """The symmetries that the method claimed; None where nobody knows, of an earlier plug-in."""
    if result.symmetry and result.symmetry.declared is not None:
        return result.symmetry.declared
    known = result.method.name in builtin_methods()
    return DECLARED_EARLIER.get(result.method.name, ()) if known else None


def constant(result: Result) -> bool:
    """Whether its answers do not differ between networks.

    An earlier record does not say; it is read so where nothing moved at all under a symmetry that nobody claimed.
    """
    part = result.symmetry
    if part is None or part.constant is not None:
        return bool(part and part.constant)
    measured, claimed = figures(part), declared(result)
    return claimed is not None and not set(measured) <= set(claimed) and not any(measured.values())


def mark(results: Sequence[Result]) -> str | None:
    """What is wrong with a row's symmetries, in words; None where nothing is, or nothing was measured."""
    audited = [result for result in results if result.symmetry is not None]
    if any(map(constant, audited)):
        return f"{SIGN} constant"
    moved = {
        kind: None
        for result in audited
        for kind, change in figures(result.symmetry).items()
        if change > NOTICEABLE and kind in (declared(result) or ())
    }
    if moved:
        return f"{SIGN} moves under {', '.join(moved)}"
    if any(declared(result) and _blind(result.symmetry) for result in audited):
        return f"{SIGN} blind to connections"
    return None


def _blind(part: SymmetryPart | None) -> bool:
    return part is not None and part.sensitivity is not None and part.sensitivity <= ROUNDING
