"""Codes of a second step; the first table is the one of RFC 6238, appendix B, cut to six digits."""

import pytest

from puyun.identity.totp import code_at, provisioning, recovery_code, recovery_hash, shown_secret, step_of
from puyun.kit.clock import SECOND, Instant

SECRET = b"12345678901234567890"
NOW = Instant(1_111_111_111 * SECOND)
STEP = 1_111_111_111 // 30


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_standard(seconds, code):
    assert code_at(SECRET, seconds // 30) == code
    assert step_of(SECRET, code, Instant(seconds * SECOND)) == seconds // 30


@pytest.mark.parametrize(("off", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_one_step_off_either_way(off, taken):
    assert step_of(SECRET, code_at(SECRET, STEP + off), NOW) == (STEP + off if taken else None)


@pytest.mark.parametrize(("off", "taken"), [(-1, False), (0, False), (1, True)])
def test_a_step_is_taken_once_and_none_before_it(off, taken):
    assert (step_of(SECRET, code_at(SECRET, STEP + off), NOW, after=STEP) is not None) == taken


def test_blanks_between_the_digits_do_not_matter():
    assert step_of(SECRET, " 050 471 ", NOW) == STEP


@pytest.mark.parametrize("code", ["", "05047", "0504711", "abcdef", "٠٥٠٤٧١", "05047\u00b9", "-50471", "x" * 10_000])
def test_what_is_no_code_fits_nothing(code):
    assert step_of(SECRET, code, NOW) is None


def test_the_secret_is_shown_in_groups_and_as_an_address_of_the_app():
    assert shown_secret(SECRET) == "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"
    address = provisioning(SECRET, "ada@example.com", "Shop & Co")
    assert address.startswith("otpauth://totp/Shop%20%26%20Co:ada%40example.com?")
    assert "secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" in address


def test_a_recovery_code_is_the_same_however_it_is_typed():
    code = recovery_code(bytes(range(10)))
    assert code == "AAAQ-EAYE-AUDA-OCAJ"
    assert recovery_hash(code) == recovery_hash(" aaaq eaye audaocaj ") is not None
    assert recovery_hash(code) != recovery_hash(recovery_code(bytes(10)))


@pytest.mark.parametrize("text", ["", "050471", "AAAQ-EAYE-AUDA-OCA", "é" * 16, "x" * 10_000])
def test_what_cannot_be_a_recovery_code_has_no_hash(text):
    assert recovery_hash(text) is None
