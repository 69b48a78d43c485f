"""One file per task, data first. A file `inr_dilation.py` defines the task `inr-dilation` as its class `TASK`."""
