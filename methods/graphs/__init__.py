"""Networks as graphs, for methods that pass messages."""
