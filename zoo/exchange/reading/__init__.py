"""What importers share: archives, tensors that nothing is run for, shapes, labels."""
