"""Ways in beside the password: links that are mailed, and issuers that vouch for somebody."""
