"""docs/parity.md, of the learning curves that `train.py` kept.

python benchmarks/parity/page.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CURVES = Path(__file__).parent / "curves"
PAGE = Path(__file__).parents[2] / "docs" / "parity.md"

INTRODUCTION = """\
# Parity with the authors' code

Does a method of the suite learn as the code does that its authors released? Here both are trained by one loop, the
suite's: the same networks in the same order, optimiser (AdamW with AMSGrad), schedule, clipping and standardisation,
for a few epochs on a part of a zoo. A number is the score on the test split after an epoch, the mean over seeds ± half
of its 95 % interval (Student's t); nothing is chosen by it. Such short trainings say whether two implementations are
one model, not how good it is.

`python benchmarks/parity/train.py METHOD FILE.py:FUNCTION` compares with any other implementation;
`python benchmarks/parity/page.py` writes this page from the curves in `benchmarks/parity/curves/`. The authors' code is
no part of this project: it ran beside it.

`ng-t` has no curves: with equal parameters it computes what the code of mkofinas/neural-graphs at `1f2b671` does
(`model=rtransformer`). In float64 the logits of 32 networks of digits-inrs agree to 1e-7, gradients to 4e-8 of their
norm, the losses of four steps of AdamW to 4e-9, without probes and with 64, where logits differ by 0.05 from network
to network.
"""


def page(comparisons: dict[str, dict[str, Any]]) -> str:
    """The page, of the kept files by their names."""
    complete = {name: kept for name, kept in sorted(comparisons.items()) if all(kept[s] for s in ("ours", "theirs"))}
    rows = [
        "| method | ours | the authors' | intervals overlap | seeds |",
        "| --- | ---: | ---: | --- | ---: |",
        *(
            f"| [{name}](#{name}) | {final(kept['ours'])} | {final(kept['theirs'])} | {overlap(kept)} | {seeds(kept)} |"
            for name, kept in complete.items()
        ),
    ]
    return "\n".join([INTRODUCTION, *rows, "", *(section(name, kept) for name, kept in complete.items())])


def final(side: dict[str, Any]) -> str:
    """The last epoch's mean and half interval."""
    return score(side, len(side["mean"]) - 1)


def score(side: dict[str, Any], epoch: int) -> str:
    """An epoch's mean and half interval, as text."""
    mean, interval = side["mean"][epoch], side["interval"][epoch]
    return rounded(side, mean) + ("" if interval is None else f" ± {rounded(side, interval[1] - mean)}")


def rounded(side: dict[str, Any], value: float) -> str:
    """Percentages to a tenth, correlations to a thousandth."""
    return f"{value:.{1 if max(side['mean']) > 1 else 3}f}"


def overlap(kept: dict[str, Any]) -> str:
    """Whether the two intervals after the last epoch have a number in common."""
    ours, theirs = kept["ours"]["interval"][-1], kept["theirs"]["interval"][-1]
    if ours is None or theirs is None:
        return "one seed only"
    return "yes" if max(ours[0], theirs[0]) <= min(ours[1], theirs[1]) else "no"


def seeds(kept: dict[str, Any]) -> int:
    """How many both have."""
    return min(len(kept[side]["curves"]) for side in ("ours", "theirs"))


def section(name: str, kept: dict[str, Any]) -> str:
    """One comparison: what was compared, both curves, what differs."""
    recipe = ", ".join(f"{key} {value}" for key, value in kept["recipe"].items() if value not in (None, []))
    given = {key: value for key, value in kept["parameters"].items() if key not in kept["recipe"]}
    settings = ", ".join(f"{key}={value}" for key, value in given.items()) or "the defaults"
    standardised = "the other is given weights standardised as ours standardises them" if kept["standardised"] else ""
    ours, theirs, commit = kept["ours"], kept["theirs"], kept["commit"]
    lines = [
        f"## {name}",
        "",
        f"- Ours: `{kept['method']}`, version {kept['version']}, {settings}; {ours['parameters']:,} parameters.",
        f"- The authors': [{kept['repository']}](https://github.com/{kept['repository']}/tree/{commit}) at "
        f"`{commit[:7]}`, {kept['settings']}; {theirs['parameters']:,} parameters.",
        f"- Both: {kept['task']} on {kept['train_networks']:,} training networks of {kept['zoo']}, "
        f"{kept['test_networks']:,} test networks; {recipe}{'; ' if standardised else ''}{standardised}.",
        *([f"- {kept['remark']}"] if kept["remark"] else []),
        "",
        "| epoch | ours | the authors' |",
        "| ---: | ---: | ---: |",
        *(f"| {epoch + 1} | {score(ours, epoch)} | {score(theirs, epoch)} |" for epoch in range(len(ours["mean"]))),
        "",
        f"The seeds after the last epoch: ours {last(ours)}, the authors' {last(theirs)}.",
        "",
    ]
    return "\n".join(lines)


def last(side: dict[str, Any]) -> str:
    """The last score of every seed."""
    return ", ".join(rounded(side, curve[-1]) for _, curve in sorted(side["curves"].items()))


def kept_comparisons() -> dict[str, dict[str, Any]]:
    """The kept files by their names."""
    return {path.stem: json.loads(path.read_text()) for path in CURVES.glob("*.json")}


if __name__ == "__main__":
    PAGE.write_text(page(kept_comparisons()))
