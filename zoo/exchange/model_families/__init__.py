"""Families of pretrained transformers whose architecture a config.json says: one table each."""
