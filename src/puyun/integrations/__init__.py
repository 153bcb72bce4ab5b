"""Data and services of others, turned into our own nouns. It never changes anything by itself: a person applies."""
