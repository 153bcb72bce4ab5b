"""The people of an organization: their roles, who leaves, who is invited."""
