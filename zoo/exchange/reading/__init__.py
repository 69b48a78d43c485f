"""What importers share: archives, tensors of files that are never run, architectures, labels."""
