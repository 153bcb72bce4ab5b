"""A parent that does nothing but keep its children running: forks them, restarts them, stops them in order. Shell.

Knows nothing of what they do. It has no thread and no event loop, so that forking it is safe, and it shares with its
children the memory of everything that was imported before.
"""
