"""Layers and modules that several methods use."""
