"""The operations that networks are made of: each says its tensors, its shape, how it is applied and how it is wired."""
