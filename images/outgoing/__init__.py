"""Disks on their way out: any version or head as raw, qcow2 or zstd, streamed while they are read."""
