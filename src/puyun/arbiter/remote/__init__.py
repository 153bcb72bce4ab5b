"""An arbiter that is a process of its own: `server` there, `client` in each worker, `wire` between them. Shell.

`stopgap` is what a worker does while the arbiter is away: by its `share` of seats and its `allowance` of limits; `board` is how
several agree about it then, `report` what the next arbiter is told of it.
"""
