"""Several processes that train one model together, as `torchrun` starts them.

The first does all that a single process does. The others only help it to fit: they wait to be told what.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import distributed

Value = TypeVar("Value")


def rank() -> int:
    """The rank of this process; 0 for the first."""
    return int(os.environ.get("RANK", 0))


def size() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", 1))


@contextmanager
def together(device: str) -> Iterator[None]:
    """Connect the processes: NCCL between GPUs, gloo between CPUs.

    A process that fails ends without closing the group: torchrun then ends the others, which may be waiting for it.
    """
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    distributed.init_process_group()
    yield
    gc.collect()  # a wrapped module that is still there, in a cycle, would keep threads of the group until the exit
    distributed.destroy_process_group()


def agreed(value: Value) -> Value:
    """The first process's `value`, in every process."""
    if size() == 1:
        return value
    content = [value]
    distributed.broadcast_object_list(content)
    return content[0]
