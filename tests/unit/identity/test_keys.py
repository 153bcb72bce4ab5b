import hashlib

import pytest
from hypothesis import given, strategies as st

from puyun.identity.keys import ENTROPY_BYTES, fingerprint, mint, prefix, well_formed

ENTROPY = bytes(range(ENTROPY_BYTES))
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_a_key_says_whose_it_is_and_is_well_formed() -> None:
    secret = mint(ENTROPY)
    assert secret.startswith("sk-puyun-")
    assert len(secret) == 47
    assert well_formed(secret)
    assert prefix(secret) == secret[:13]


@given(st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES))
def test_every_entropy_makes_a_well_formed_key_of_one_length(entropy: bytes) -> None:
    assert well_formed(mint(entropy))
    assert len(mint(entropy)) == 47


def test_different_entropy_makes_different_keys() -> None:
    assert len({mint(bytes(ENTROPY_BYTES - 1) + bytes([n])) for n in range(256)}) == 256


@given(st.integers(0, 37), st.sampled_from(LETTERS))
def test_one_wrong_letter_is_seen(place: int, letter: str) -> None:
    secret = mint(ENTROPY)
    at = len("sk-puyun-") + place
    typo = secret[:at] + letter + secret[at + 1 :]
    assert well_formed(typo) == (typo == secret)


@pytest.mark.parametrize(
    "text", ["", "sk-puyun-", "sk-proj-abc", mint(ENTROPY)[:-1], mint(ENTROPY) + "0", "sk-puyun-" + "é" * 38]
)
def test_what_is_no_key_of_ours(text: str) -> None:
    assert not well_formed(text)


def test_only_a_sha256_is_stored_and_odd_text_does_not_break_it() -> None:
    assert fingerprint("sk-puyun-x") == hashlib.sha256(b"sk-puyun-x").digest()
    assert len(fingerprint("\udc80")) == 32


def test_the_wrong_amount_of_entropy_is_a_bug() -> None:
    with pytest.raises(ValueError, match="24 random bytes, not 3"):
        mint(b"abc")
