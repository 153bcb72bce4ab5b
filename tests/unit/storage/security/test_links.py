"""On each engine."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from puyun.kit.clock import DAY, HOUR, Instant
from puyun.storage.engine import writing
from puyun.storage.identity import create_user, set_password_hash
from puyun.storage.security.links import Purpose, find_link, make_link, use_link

NOW = Instant(1000 * DAY)


@pytest.fixture
def ada(engine):
    with writing(engine) as connection:
        return create_user(connection, "ada@example.com", "hash", now=NOW)


def test_a_link_opens_what_it_was_made_for_once_until_it_ends(engine, ada):
    with writing(engine) as connection:
        assert make_link(connection, ada.id, Purpose.RESET, "s", NOW) == NOW + HOUR
        assert find_link(connection, "s", Purpose.VERIFY, NOW) is None
        assert find_link(connection, "other", Purpose.RESET, NOW) is None
        assert find_link(connection, "s", Purpose.RESET, Instant(NOW + HOUR)) is None
        assert use_link(connection, "s", Purpose.RESET, Instant(NOW + HOUR - 1)) == ada
        assert use_link(connection, "s", Purpose.RESET, NOW) is None


def test_the_newest_of_a_purpose_stands_alone(engine, ada):
    with writing(engine) as connection:
        for secret, purpose in (("1", Purpose.RESET), ("2", Purpose.VERIFY), ("3", Purpose.RESET)):
            make_link(connection, ada.id, purpose, secret, NOW)
        found = [find_link(connection, *each, NOW) for each in (("1", "reset"), ("2", "verify"), ("3", "reset"))]
        assert found == [None, ada, ada]
        set_password_hash(connection, ada.id, "new")
        assert find_link(connection, "3", Purpose.RESET, NOW) is None
        assert find_link(connection, "2", Purpose.VERIFY, NOW) == ada


def test_of_many_at_once_one_uses_it(engine, ada):
    with writing(engine) as connection:
        make_link(connection, ada.id, Purpose.RESET, "s", NOW)

    def use(_):
        with writing(engine) as connection:
            return use_link(connection, "s", Purpose.RESET, NOW)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(user is not None for user in pool.map(use, range(8))) == [False] * 7 + [True]
