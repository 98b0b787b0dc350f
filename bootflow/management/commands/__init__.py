"""Commands of bootflow."""
