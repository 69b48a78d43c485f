"""What a method is, how it is found, and small things that methods of any kind need."""
