"""Who decides whether a call may go and which seat it gets, behind one interface, here or in another process. Shell.

`decider` puts the pure `scheduler` and `limits` together; `local` runs it in this process, `server` behind a socket, and
`client` is what a worker holds in place of `local` then. Owns soft state alone: queues, seats, counters. It knows no
price, no wallet and no text of a call, and nothing it loses can cost money.
"""
