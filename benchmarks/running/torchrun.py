"""`torchrun`: the first process runs the cells, the others help it to fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...runtime import distributed
from ...runtime.progress import silence
from .cell import Cell
from .protocols import protocol_of


@contextmanager
def helped(device: str) -> Iterator[bool]:
    """Connect the processes of `torchrun`; yields whether this is the first one, or the only one.

    The others have helped to fit every cell that the first one announced by then, and have nothing left to do.
    """
    if distributed.size() == 1:
        yield True
        return
    with distributed.together(device):
        if distributed.rank():
            silence()
            while (cell := distributed.agreed(None)) is not None:
                protocol_of(cell.task)(cell.task, cell.method).fit(seed=cell.seed, device=device)
            yield False
            return
        yield True
        distributed.agreed(None)


def announce(cell: Cell) -> None:
    """Have the other processes help to fit a cell, which begins now in this one."""
    distributed.agreed(cell)
