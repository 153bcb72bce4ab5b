"""The ledger's hot path on SQLite: the store writes a batch, the writer thread makes batches, owners are live processes.

Nothing else in the product moves money while calls run.
"""
