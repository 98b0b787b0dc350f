"""What the REST calls of disks take and answer."""
