"""Handing results in: everything a record says is doubted."""
