"""What a cell leaves behind: its record, its predictions, and the truth that these are scored against. Torch-free."""
