"""What customers' programs read: models, balance, usage, receipts, and the health of the process. Shell.

Ordinary web code beside the data plane: same keys, same errors, never on the path of a call.
"""
