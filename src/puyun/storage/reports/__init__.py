"""What is told to those who pay and to those who sell: signed receipts, statements, margins, reconciliations. Shell.

Everything here is derived when it is asked for, from the journal, the records and the dated price and cost rows. It
must never move money, and never be on the path of a call.
"""
