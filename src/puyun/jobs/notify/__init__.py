"""Passing on what happened: the watch over balances, letters to members, deliveries to webhooks."""
