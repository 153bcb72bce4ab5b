"""The ledger's hot path: the writer thread makes batches, a store writes each, owners are live processes.

`batch` is what both stores do alike, `sqlite` and `postgres` are the stores, `opening` chooses.

Nothing else in the product moves money while calls run.
"""
