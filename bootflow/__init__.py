"""What a machine is told to boot, and the recorder of what became of it."""
