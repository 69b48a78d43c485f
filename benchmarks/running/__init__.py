"""From what is asked to records: suites, cells, protocols, the runner."""
