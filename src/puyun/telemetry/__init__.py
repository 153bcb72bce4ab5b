"""What the process says about itself: structured logs, rare on the hot path, never a secret or a prompt. Shell."""
