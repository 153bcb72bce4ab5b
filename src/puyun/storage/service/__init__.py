"""Service levels in the database: the ledger leaves in an inbox what ended, and it is added up to tallies a moment later."""
