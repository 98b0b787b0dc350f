"""Work that takes longer than a person waits for a page; above the services, which it calls."""
