"""What plug-ins keep: methods and tasks of one's own, held to the contract."""
