"""What only the machine has: the time, entropy and the password hash. Shell; domains are handed what they need."""
