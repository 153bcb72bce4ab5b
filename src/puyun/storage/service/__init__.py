"""Service levels in the database: written by the ledger with the usage records, summed over everybody once a moment."""
