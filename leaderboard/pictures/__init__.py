"""Pictures of results: what predictions and truth show, drawn."""
