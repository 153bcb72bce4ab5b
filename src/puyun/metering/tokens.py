"""Token bounds before a call, and estimates where a provider reported nothing.

Byte-level vocabularies never yield more tokens than bytes; text yields far fewer. The bounds are good rather than
absolute: a settle never takes more than hold and wallet, whatever was guessed here (I10).
"""

PER_MESSAGE = 8
"""Tokens a chat template adds around one message, at most."""

OUTPUT_DEFAULT = 4_096
"""What is held for an answer when neither the caller nor the model sets an end."""


def input_bound(size: int, *, ascii_only: bool, messages: int = 0) -> int:
    """Most tokens that `size` bytes of JSON text are taken for while nothing has been learned of them: 0.5 a byte for
    plain ASCII, 0.75 for anything else.
    """
    text = -(-size // 2) if ascii_only else -(-size * 3 // 4)
    return text + messages * PER_MESSAGE


def estimate(size: int, *, ascii_only: bool) -> int:
    """Likely tokens of `size` bytes of text: a quarter a byte for ASCII, a third for anything else (mean of families)."""
    return -(-size // 4) if ascii_only else -(-size // 3)
