"""Against the official library."""

import json
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from puyun.kit.clock import MINUTE, SECOND, Instant
from puyun.notices.signing import headers, mint

OLD, NEW = mint(b"o" * 32), mint(b"n" * 32)
BODY = json.dumps({"type": "test.ping", "text": "你好"}, ensure_ascii=False).encode()


def now() -> Instant:
    return Instant(int(time.time()) * SECOND)


def test_the_library_takes_what_we_sign() -> None:
    assert Webhook(NEW).verify(BODY, headers([NEW], "msg_1", now(), BODY)) == json.loads(BODY)


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_during_an_overlap_either_secret_will_do(secret: str) -> None:
    assert Webhook(secret).verify(BODY, headers([NEW, OLD], "msg_1", now(), BODY)) == json.loads(BODY)


@pytest.mark.parametrize(
    ("changed", "secret"),
    [
        ({}, OLD),
        ({"webhook-id": "msg_2"}, NEW),
        ({"webhook-timestamp": "1"}, NEW),
        ({"webhook-timestamp": str((now() + 10 * MINUTE) // SECOND)}, NEW),
    ],
)
def test_the_library_refuses_what_was_changed(changed: dict[str, str], secret: str) -> None:
    signed = headers([NEW], "msg_1", now(), BODY) | changed
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, signed)


def test_a_secret_takes_all_its_random_bytes() -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        mint(b"short")
