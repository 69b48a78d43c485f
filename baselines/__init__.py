"""One file per reference method that ignores weight-space symmetry or only summarises weights."""
