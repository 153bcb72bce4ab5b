"""Simulation: the shipped rules on a virtual clock, on recorded or made-up traffic. The same seed gives the same bytes.

It must never have a rule of its own that the server has too: what it measures is what is sold.
"""
