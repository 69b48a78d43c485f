"""One file per task, data first. A file `inr_dilation.py` defines the class whose name is "inr-dilation"."""
