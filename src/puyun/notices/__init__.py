"""What an organization is told of: which kinds of events there are, who hears of them, and how a webhook is signed,
repeated and kept away from private addresses. Pure.
"""
