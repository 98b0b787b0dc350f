"""Pages of devices, boots, kernel sets and installers."""
