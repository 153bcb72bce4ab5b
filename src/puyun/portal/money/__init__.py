"""The portal's pages about money: the log of calls, receipts, the balance and what moved it, statements."""
