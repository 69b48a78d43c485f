"""Benchmarks run as the commands do: with the process tuned before torch is imported."""

from __future__ import annotations

from weightbench.zoo.machine import tune_process

tune_process()
