"""What a Raspberry Pi must fetch to boot from a disk, read from the disk without mounting it."""
