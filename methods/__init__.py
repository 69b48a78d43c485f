"""The method contract and one file per weight-space method. Nothing is imported here."""
