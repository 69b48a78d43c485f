"""Scores from stored predictions and the truth. Torch-free."""
