"""`python -m bench.arbiter`: what a decision costs, here and over the socket, and whether one is ever given too much."""
