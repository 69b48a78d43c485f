"""Networks as weights and biases over levels of neurons, for equivariant layers."""
