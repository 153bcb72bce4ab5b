"""Statements and invoices as PDF: the same bytes whenever they are made of the same."""
