"""What several tests need: small zoos, raw data in the formats of the real ones, a Hub on this machine."""
