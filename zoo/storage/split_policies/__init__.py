"""Splits that are derived when a zoo is opened, beside those of its files."""
