"""What a network is: its architecture, a batch of networks, how they are evaluated, their symmetries and graphs."""
