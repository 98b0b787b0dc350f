"""A virtual PC on a private wire, and the small disk that it boots: the proof that needs no hardware."""
