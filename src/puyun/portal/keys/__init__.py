"""Keys as the portal shows them and takes them in: rows of the list, and what a form says."""
