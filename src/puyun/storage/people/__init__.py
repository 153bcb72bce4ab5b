"""People: what is kept of one, and how one goes."""
