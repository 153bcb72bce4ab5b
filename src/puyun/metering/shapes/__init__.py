"""Usage as each dialect reports it: one file a dialect, one pure function a shape, none of which ever raises.

It must never add what contains to what is contained: which is which is all that these files know.
"""
