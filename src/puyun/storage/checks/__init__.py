"""What the audit checks, each file one kind of rows. All of it reads; none of it repairs.

Sums are made by the database, a span of organizations at a time, and only what differs comes to Python: so an audit
costs what reading the rows costs. Amounts are bounded by `kit.money`; a row out of bounds is a finding of its own.
"""
