"""Budgets as rows, and what they give notice of. The hot path (`storage.ledger`) alone writes their windows."""
