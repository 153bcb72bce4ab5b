"""The ledger: wallets, holds, and an append-only double-entry journal. README.md numbers its invariants.

Pure. It decides; storage locks, loads and writes what it decided. It must never know a price, a token or a wire.
"""
