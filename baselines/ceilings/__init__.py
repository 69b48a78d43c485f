"""Ceilings: what falls back on the picture that an INR encodes, and shows how much there is to be had."""
