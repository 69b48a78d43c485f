"""Numbers that describe a network, and the trees that read them."""
