"""Training many small networks at once: INRs of images, runs with checkpoints."""
