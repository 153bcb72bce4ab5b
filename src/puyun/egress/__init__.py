"""The way out: where providers are, with which secret, and whether an address may be connected to at all. Shell.

Nothing leaves but through here: only configured providers, verified TLS, private addresses only where allowed.
"""
