"""Tasks, suites and the runner. Nothing is imported here; scoring, result, suite and what they need are torch-free."""
