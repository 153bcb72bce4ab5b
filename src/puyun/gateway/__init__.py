"""The data plane: from a customer's bytes to an upstream's and back, metered and paid. Shell, hand-tuned.

`front` and `upstream` alone know HTTP framing; `call` is the lifecycle as a pure table; `admit`, `relay` and `finish`
are the three stretches of a call, `serving` the coroutine that walks them. It must never decide about money (the
ledger does) and never log a prompt or a secret.
"""
