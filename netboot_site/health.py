"""Whether every part works: `/health`."""
