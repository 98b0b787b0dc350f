"""Foreign disks on their way in: formats told by their first bytes, unpacked while they come."""
