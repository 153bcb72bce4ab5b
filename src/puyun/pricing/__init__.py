"""The price book, the quote before a call and the charge after it.

Pure. Prices are dated rows that are never overwritten; a record names the rows it was rated by, so that any past
charge can be computed again to the last unit.
"""
