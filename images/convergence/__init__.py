"""Makes files and targets of a storage node what the database says. `round.converge_node` is the way in."""
