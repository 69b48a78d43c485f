"""Controls: what a score is without reading the weights, or without learning. Boards show them and never rank them."""
