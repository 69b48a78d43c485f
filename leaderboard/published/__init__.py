"""Published tables as data: one TOML file per task, read by `reported`."""
