"""On each engine."""

import pytest

from puyun.kit.clock import DAY, HOUR, Instant
from puyun.storage.engine import writing
from puyun.storage.identity import create_user
from puyun.storage.security.sessions import end_other_sessions, end_session, list_sessions
from puyun.storage.sessions import find_session, open_session, touch_session

NOW = Instant(1000 * DAY)


@pytest.fixture
def people(engine):
    with writing(engine) as connection:
        return [create_user(connection, f"{name}@example.com", "", now=NOW).id for name in ("ada", "eve")]


def test_sessions_are_listed_the_present_one_first_and_end_for_their_owner_alone(engine, people):
    ada, eve = people
    with writing(engine) as connection:
        for place, (name, user) in enumerate([(b"1", ada), (b"2", ada), (b"3", ada), (b"4", eve)]):
            open_session(connection, name, user, agent=f"agent {name!r}", now=Instant(NOW + place))
        touch_session(connection, b"1", Instant(NOW + HOUR))
        listed = list_sessions(connection, ada, b"2", Instant(NOW + HOUR))
        assert [found.agent for found in listed] == ["agent b'2'", "agent b'1'", "agent b'3'"]
        assert [found.current for found in listed] == [True, False, False]
        assert not end_session(connection, eve, listed[1].name)
        assert end_session(connection, ada, listed[1].name)
        assert not end_session(connection, ada, listed[1].name)
        assert end_other_sessions(connection, ada, b"2") == 1
        assert [found.current for found in list_sessions(connection, ada, b"2", NOW)] == [True]
        assert find_session(connection, b"4", NOW) is not None
        assert list_sessions(connection, ada, b"2", Instant(NOW + 40 * DAY)) == []
