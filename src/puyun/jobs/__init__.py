"""Background tasks of a gateway process: noticing changes, timing out connections, returning orphans' holds. Shell.

Each is a class with `run`, a loop that ends only by being cancelled; a failure is logged and tried again.
"""
