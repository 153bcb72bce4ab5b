"""The database: one SQL database holds everything that must survive. Shell.

`schema` names the tables, `migrations` grows them, `ledger` is the hot path (the drivers in a writer thread, named SQL
files), the rest is the control plane through SQLAlchemy Core. It must never decide: domains decide, this writes.
"""
