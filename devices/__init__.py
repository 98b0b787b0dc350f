"""Which machines exist: devices, their groups, how they were discovered."""
