"""How work runs, whatever it is: errors, files, the machine, progress, executors. Knows nothing of networks."""
