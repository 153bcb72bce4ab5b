"""Service levels: how a call counts, what five minutes of calls come to, and what can be said of them afterwards.

It owns the rules of what is good, what is bad and what does not count. It must never see a price, a prompt or a database.
"""
