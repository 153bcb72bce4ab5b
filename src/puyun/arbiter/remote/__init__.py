"""An arbiter that is a process of its own: `server` there, `client` in each worker, `wire` between them. Shell.

`share` and `stopgap` are what a worker does while the arbiter is away, `board` how several agree about it then.
"""
