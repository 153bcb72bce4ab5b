import pytest

from puyun.kit.clock import MINUTE, SECOND, Instant
from puyun.web.throttle import locked_until, network_of

NOW = Instant(1000)


@pytest.mark.parametrize(
    ("failures", "wait"),
    [(1, 0), (4, 0), (5, 5), (6, 10), (7, 20), (12, 640), (13, 900), (100, 900), (10**6, 900)],
)
def test_the_wait_doubles_up_to_a_quarter_of_an_hour(failures, wait):
    assert locked_until(failures, 5, NOW) == NOW + wait * SECOND
    assert locked_until(failures, 5, NOW) <= NOW + 15 * MINUTE


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::2", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("testclient", "unknown"),
        ("", "unknown"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address, expected):
    assert network_of(address) == expected
