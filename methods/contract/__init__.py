"""What a method is, how it is found, and what methods of any kind may build on."""
