"""Methods that this suite adds, of no paper."""
