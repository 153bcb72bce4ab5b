"""Who may do what: organizations, people, their roles, and the keys of programs.

Pure. It owns the shape and the checksum of an API key and the table of permissions. It must never store a secret,
keep a clock or roll dice: entropy and time are handed in.
"""
