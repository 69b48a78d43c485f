"""Methods that are torch modules: the training loop, its checkpoints, augmentations."""
