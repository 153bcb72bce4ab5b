"""Counting tokens: usage in disjoint buckets, the meter that reads it off a provider's answer, bounds before a call.

Pure. It must never price anything and never guess a number without saying so.
"""
