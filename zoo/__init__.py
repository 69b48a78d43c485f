"""Zoos: batches of trained networks, how they are stored, built and loaded.

Nothing is imported here, so that the torch-free modules (`architecture`, `manifest`, `catalogue`) stay cheap.
"""
