"""A comparison of policies as a person reads it: a page that needs nothing but itself. It adds nothing to the figures."""
