"""Posting templates: what each act on money but a call comes to. Pure; the Book decides whether it may be posted."""
