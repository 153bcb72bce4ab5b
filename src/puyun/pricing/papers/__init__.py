"""Invoices as papers: who sells, who buys, and what was said once and for all. Pure."""
