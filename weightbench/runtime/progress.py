"""One progress display for everything that takes long: a live bar on a terminal, a line now and then in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LOG_SECONDS = 20.0  # seconds between lines where there is no terminal

Advance = Callable[..., None]  # advance(n=1, note="", fresh=True)
console = Console(stderr=True, highlight=False)
_display: Progress | None = None
_silent = False


def silence() -> None:
    """No more progress from this process: it works for another one, which has the display."""
    global _silent
    _silent = True


@contextmanager
def track(description: str, total: int, unit: str) -> Iterator[Advance]:
    """Show the progress of `total` units; yields `advance(n=1, note="", fresh=True)`, to be called as they are done.

    Units that an earlier process did are not `fresh`: they count as done, not for the rate.
    May be nested: the inner bar stands below the outer one and goes when it is finished.
    """
    global _display
    if _silent:
        yield lambda n=1, note="", fresh=True: None
        return
    if not console.is_terminal:
        yield _log_lines(description, total, unit)
        return
    outermost = _display is None
    display = _display or Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]} {task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
    )
    _display = display
    if outermost:
        display.start()
    task = display.add_task(description, total=total, unit=unit, rate="", note="")
    started = time.monotonic()
    done = 0

    def advance(n: int = 1, note: str = "", fresh: bool = True) -> None:
        nonlocal done
        done += n * fresh
        rate = done / max(time.monotonic() - started, 1e-9)
        display.update(task, advance=n, note=note, rate=f"{rate:.3g}/s")

    try:
        yield advance
    finally:
        display.remove_task(task)
        if outermost:
            display.stop()
            _display = None


def _log_lines(description: str, total: int, unit: str) -> Advance:
    started = last = time.monotonic()
    done = found = 0

    def advance(n: int = 1, note: str = "", fresh: bool = True) -> None:
        nonlocal done, found, last
        done += n
        found += n * (not fresh)
        now = time.monotonic()
        if now - last < LOG_SECONDS:
            return
        last = now
        rate = (done - found) / (now - started)
        left = (total - done) / rate if rate else 0
        text = f"{description}: {done}/{total} {unit}, {rate:.3g}/s, {left:.0f} s left {note}"
        print(text.rstrip(), file=sys.stderr, flush=True)

    return advance
