"""Capacity planning: how many seats a promise needs, and whether it may be sold beside what was sold already.

Pure. It must never look at live load: a promise is kept at its peak, not on a quiet day.
"""
