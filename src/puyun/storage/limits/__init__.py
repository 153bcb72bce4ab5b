"""The rule book of limits: rows that are added and never changed, and the policy that servers read from them."""
