"""What an upstream's refusal means, row by row."""

import json

import pytest
from hypothesis import given, strategies as st

from puyun.catalog.model import Tier
from puyun.kit.errors import Blame
from puyun.providers.failure import MESSAGE_MAX, classify, no_capacity

ROWS = """
upstream | elsewhere | status | code                 | blame
400      | no        | 400    | upstream_refused     | client
404      | no        | 404    | upstream_refused     | client
413      | no        | 413    | upstream_refused     | client
422      | no        | 422    | upstream_refused     | client
401      | yes       | 502    | upstream_error       | upstream
403      | yes       | 502    | upstream_error       | upstream
429      | yes       | 503    | capacity_unavailable | upstream
500      | yes       | 502    | upstream_error       | upstream
502      | yes       | 502    | upstream_error       | upstream
503      | yes       | 502    | upstream_error       | upstream
529      | yes       | 502    | upstream_error       | upstream
201      | yes       | 502    | upstream_error       | upstream
204      | yes       | 502    | upstream_error       | upstream
302      | yes       | 502    | upstream_error       | upstream
"""


@pytest.mark.parametrize("row", ROWS.strip().splitlines()[1:])
def test_whose_fault_and_whether_to_try_elsewhere(row: str) -> None:
    """U1, U2, U3."""
    upstream, elsewhere, status, code, blame = (part.strip() for part in row.split("|"))
    found = classify(int(upstream), b"", (), None, Tier.FLEX)
    assert found.elsewhere is (elsewhere == "yes")
    error = found.error
    assert (error.status, error.code, error.blame) == (int(status), code, Blame(blame))
    if error.blame is Blame.UPSTREAM:
        assert "You were not charged; try again" in error.message


MESSAGES = [
    (b'{"error":{"message":"context too long","type":"x"}}', "context too long"),
    (b'{"error":"context too long"}', "context too long"),
    (b'{"message":"context too long"}', "context too long"),
    (b'{"detail":"context too long"}', "context too long"),
    (b'{"error":null,"detail":"context too long"}', "context too long"),
    (b"", "The upstream provider refused the request with status 400."),
    (b"<html>", "The upstream provider refused the request with status 400."),
    (b'{"error":{"message":5}}', "The upstream provider refused the request with status 400."),
    (b'{"detail":[{"loc":["body"]}]}', "The upstream provider refused the request with status 400."),
    (b"\xff\xfe", "The upstream provider refused the request with status 400."),
    (b"[" * 100_000, "The upstream provider refused the request with status 400."),
    (b"[1]", "The upstream provider refused the request with status 400."),
]


@pytest.mark.parametrize(("body", "message"), MESSAGES, ids=range(len(MESSAGES)))
def test_the_provider_s_sentence_in_any_of_its_shapes(body: bytes, message: str) -> None:
    assert classify(400, body, (), None, Tier.FLEX).error.message == message


SECRETS = ("sk-operator-1", "api.provider.example", "")


@given(st.text(max_size=50), st.text(max_size=50), st.sampled_from(SECRETS[:2]), st.sampled_from([400, 401, 429, 500]))
def test_no_secret_passes(before: str, after: str, secret: str, status: int) -> None:
    """U4."""
    body = json.dumps({"error": {"message": before + secret + after + secret}}).encode()
    error = classify(status, body, SECRETS, None, Tier.FLEX).error
    assert secret not in error.message


def test_messages_have_a_largest_size() -> None:
    body = json.dumps({"error": {"message": "x" * 10_000}}).encode()
    assert len(classify(400, body, (), None, Tier.FLEX).error.message) == MESSAGE_MAX


CAPACITY = """
test       | -    | 429 | 1
flex       | -    | 503 | 1
enterprise | -    | 503 | 1
flex       | 30   | 503 | 30
flex       | 0    | 503 | 0
flex       | 1.5  | 503 | 1
flex       | -3   | 503 | 1
flex       | soon | 503 | 1
flex       | Wed, 25 Nov 2026 12:00:00 GMT | 503 | 1
"""


@pytest.mark.parametrize("row", CAPACITY.strip().splitlines())
def test_capacity(row: str) -> None:
    """U5."""
    tier, told, status, seconds = (part.strip() for part in row.split("|"))
    error = no_capacity(Tier(tier), "Full.", None if told == "-" else told)
    assert (error.status, error.code) == (int(status), "capacity_unavailable")
    assert error.headers == {"retry-after": seconds, "retry-after-ms": str(int(seconds) * 1000)}


def test_a_provider_cannot_write_a_header_or_send_a_client_away_for_ever() -> None:
    for told in ("1\r\nx-admin: 1", "٣", "²", "9" * 5000):
        seconds = no_capacity(Tier.FLEX, "Full.", told).headers["retry-after"]
        assert seconds.isascii()
        assert 0 <= int(seconds) <= 3600


def test_a_refusal_says_when_to_come_back() -> None:
    error = classify(429, b"", (), "7", Tier.TEST).error
    assert (error.status, error.headers["retry-after"]) == (429, "7")
