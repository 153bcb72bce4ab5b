"""Billing for programs: papers, details, rules and budgets."""
