"""Boards as files: Markdown, CSV, HTML."""
