"""What the operator sees. So far one page: who owes and owns what, what is sold, what needs a price.

Shell. Everything here asks for an operator; being a member of an organization opens nothing.
"""
