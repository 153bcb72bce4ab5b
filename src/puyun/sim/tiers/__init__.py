"""Tiers under load: the shipped scheduler and limits on a virtual clock, beside what others do, on the same calls.

A scenario is a frozen description; a seed makes its calls; a policy decides; everything is measured from outside, by what
was granted when. It must never change or look into what it measures.
"""
