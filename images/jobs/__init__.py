"""Long work on images: claimed by a worker of their node, told of while it runs, picked up after a crash."""
