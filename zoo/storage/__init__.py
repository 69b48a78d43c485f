"""How a zoo lies on disk: its manifest, its tables, its card, and `Zoo`, which reads it."""
