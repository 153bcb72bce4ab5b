"""On each engine."""

import pytest
from sqlalchemy import select

from puyun.kit.clock import DAY, MINUTE, Instant
from puyun.storage.engine import reading, writing
from puyun.storage.identity import create_user, set_password_hash
from puyun.storage.security import second, tables

NOW = Instant(1000 * DAY)


@pytest.fixture
def ada(engine):
    with writing(engine) as connection:
        return create_user(connection, "ada@example.com", "hash", now=NOW).id


@pytest.fixture
def eve(engine):
    with writing(engine) as connection:
        return create_user(connection, "eve@example.com", "hash", now=NOW).id


def test_a_secret_is_in_use_once_it_is_confirmed_and_stays_then(engine, ada):
    with writing(engine) as connection:
        assert second.begin_second_step(connection, ada, b"first", NOW)
        assert second.begin_second_step(connection, ada, b"second", NOW)
        assert not second.asked_for_code(connection, ada)
        assert not second.confirm_second_step(connection, ada, b"first", 7, NOW)  # of a page that is outdated
        assert second.confirm_second_step(connection, ada, b"second", 7, NOW)
        assert not second.confirm_second_step(connection, ada, b"second", 8, NOW)
        assert not second.begin_second_step(connection, ada, b"third", NOW)
    with reading(engine) as connection:
        assert second.asked_for_code(connection, ada)
        found = second.find_second_step(connection, ada)
    assert found == second.SecondStep(sealed=b"second", confirmed_at=NOW, last_step=7, codes=0)


def test_a_step_is_taken_once_and_never_one_before(engine, ada):
    with writing(engine) as connection:
        second.begin_second_step(connection, ada, b"s", NOW)
        assert not second.use_step(connection, ada, 9)  # not confirmed
        second.confirm_second_step(connection, ada, b"s", 7, NOW)
        assert [second.use_step(connection, ada, step) for step in (7, 8, 8, 6, 10, 9)] == [
            False,
            True,
            False,
            False,
            True,
            False,
        ]


def test_a_recovery_code_goes_once_and_for_its_user_alone(engine, ada, eve):
    with writing(engine) as connection:
        second.set_codes(connection, ada, [b"1", b"2"])
        second.set_codes(connection, eve, [b"3"])
        assert not second.use_code(connection, eve, b"1")
        assert second.use_code(connection, ada, b"1")
        assert not second.use_code(connection, ada, b"1")
        second.set_codes(connection, ada, [b"4"])
        assert not second.use_code(connection, ada, b"2")
        assert second.use_code(connection, eve, b"3")


def test_what_is_pending_ends_by_time_by_use_and_with_the_password(engine, ada):
    later = Instant(NOW + second.PENDING_FOR)
    with writing(engine) as connection:
        for name in (b"1", b"2", b"3"):
            second.open_pending(connection, name, ada, NOW)
        assert second.find_pending(connection, b"1", NOW) == ada
        assert second.find_pending(connection, b"x", NOW) is None
        assert second.find_pending(connection, b"1", later) is None
        second.close_pending(connection, b"1")
        assert second.find_pending(connection, b"1", NOW) is None
        assert second.find_pending(connection, b"2", NOW) == ada
        set_password_hash(connection, ada, "another")
        assert second.find_pending(connection, b"2", NOW) is None


def test_what_has_ended_is_removed_on_the_way(engine, ada):
    with writing(engine) as connection:
        second.open_pending(connection, b"old", ada, NOW)
        second.open_pending(connection, b"new", ada, Instant(NOW + DAY))
        assert connection.execute(select(tables.pending_sign_in.c.hash)).scalars().all() == [b"new"]


def test_the_end_takes_everything_of_one_user(engine, ada, eve):
    with writing(engine) as connection:
        for user in (ada, eve):
            second.begin_second_step(connection, user, b"s", NOW)
            second.confirm_second_step(connection, user, b"s", 7, NOW)
            second.set_codes(connection, user, [b"1"])
            second.open_pending(connection, str(user).encode(), user, NOW)
        second.end_second_step(connection, ada)
        assert second.find_second_step(connection, ada) is None
        assert not second.use_code(connection, ada, b"1")
        assert second.find_pending(connection, str(ada).encode(), Instant(NOW + MINUTE)) is None
        assert second.asked_for_code(connection, eve)
        assert second.use_code(connection, eve, b"1")
