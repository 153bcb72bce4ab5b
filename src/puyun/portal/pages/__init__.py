"""One file a page: what it shows, and its routes."""
