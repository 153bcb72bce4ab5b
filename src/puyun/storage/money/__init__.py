"""Money outside the hot path: every act but a call's hold and settle. The Book decides; this loads, writes, repeats.

Each act is one transaction under the wallet's lock, has an idempotency key, and gets its first answer when repeated.
"""
