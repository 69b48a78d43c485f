"""Zoos from and to elsewhere: the Hugging Face Hub, published formats, plain files."""
