"""How much an organization may ask for: rates and concurrency, exact to the token, per key, organization, model, tier.

Decides and counts; it never waits, sends, stores or reads a clock. README.md has the invariants.
"""
