"""Asking the operator for a higher limit, and what became of it."""
