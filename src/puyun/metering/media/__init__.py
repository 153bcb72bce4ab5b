"""How many tokens an image, a sound or a document may come to, from a look at its first bytes.

Pure. It must never decode a picture or a page: a header says enough for a bound.
"""
