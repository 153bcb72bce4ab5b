"""`make bench`: what a call through puyun costs, beside the same call sent direct, through nginx and through peers.

Owns the load generator and the mock upstream (native/, C, built when first used), the columns, the rows, the table.
Knows puyun by its command line and its HTTP alone: it must never import it. Nothing here is a test of correctness,
yet a run fails when the money does not add up: a fast answer that was not billed is no answer.
"""
