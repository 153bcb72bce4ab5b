"""What customers see: the price list that anybody may read, and the pages of an organization behind the sign-in.

Shell. It reads what others decided and moves no money but the trial credit of a sign-up; every amount on a page comes from the ledger, the rollups or
the price book, through the same functions that bill.
"""
