"""Boot files: contents in the database, and what is read of disks."""
