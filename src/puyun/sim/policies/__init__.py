"""Who decides whom to serve next: what is shipped, and what is usual elsewhere, behind the shipped scheduler's own face.

Others know tiers at most by their order, organizations not at all, and take all seats as one pool. They are given what any
gateway has: deadlines, retries on another lane, a lane that pauses when it said 429.
"""
