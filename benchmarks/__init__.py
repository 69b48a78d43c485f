"""Tasks, suites and the runner. Nothing is imported here; result, scoring, evidence and suite are torch-free."""
