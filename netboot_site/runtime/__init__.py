"""What `make up` does: look before starting, prepare folders and servers, run everything, stop everything."""
