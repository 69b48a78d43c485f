"""From records to scores, intervals and tests."""
