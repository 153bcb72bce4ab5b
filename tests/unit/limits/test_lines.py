"""Header lines as bytes on the wire."""

from rulebook import policy

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.limits.ask import Ask, Passed
from puyun.limits.limits import Limits
from puyun.limits.lines import openai_lines


def test_each_header_is_a_line() -> None:
    passed = Limits(policy("org 7 rpm 60 burst 2")).check(Ask(1, 7, 1, 1, Tier.FLEX, 0, 0), Instant(0))
    assert isinstance(passed, Passed)
    assert openai_lines(passed.readings) == (
        b"x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 1\r\nx-ratelimit-reset-requests: 1s\r\n"
        b'ratelimit-policy: "rpm";q=60;w=60\r\nratelimit: "rpm";r=1;t=1\r\n'
    )
    assert openai_lines(()) == b""
