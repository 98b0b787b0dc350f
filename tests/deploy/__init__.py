"""Scripts of deploy/, the Makefile and what continuous integration calls."""
