"""An organization's beginning: what a sign-up makes in one transaction, and its first call."""
