"""Invoices as issued, billing details, and the rule of automatic top-ups."""
