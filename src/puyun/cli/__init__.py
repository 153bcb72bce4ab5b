"""The command line. Shell of shells: it opens what a command needs, calls one function of ours, and prints the answer.

Heavy imports stand inside the commands, so that `puyun --help` and completion are fast. Data goes to stdout, everything
else to stderr; a table for people, `--json` for programs. It must never hold a rule that a page would need too.
"""
