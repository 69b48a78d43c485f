"""Modules of torch as graphs, traced by `torch.export`."""
