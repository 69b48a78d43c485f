"""Boards: rows, printed numbers beside them, average ranks, comparisons."""
