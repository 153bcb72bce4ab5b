"""Access tokens of the control API, and what its writes came to, for whoever sends one again."""
