"""Boards and results as files: Markdown, CSV, HTML, pictures."""
