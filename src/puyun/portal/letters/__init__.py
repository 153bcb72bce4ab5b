"""Letters to people about how they get in."""
