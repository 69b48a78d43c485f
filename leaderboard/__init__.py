"""The board: from result records to tables and a page. Never imports torch."""
