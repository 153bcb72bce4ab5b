"""Events, whom they are mailed to, and the watch over balances."""
