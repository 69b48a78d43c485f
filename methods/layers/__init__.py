"""Layers that know nothing of weight spaces."""
