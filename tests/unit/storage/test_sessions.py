import shutil

import pytest

from puyun.kit.clock import DAY, HOUR, MINUTE, Instant
from puyun.storage.engine import open_engine, writing
from puyun.storage.identity import create_user, set_password_hash
from puyun.storage.sessions import (
    IDLE,
    LIFETIME,
    close_session,
    count_attempt,
    find_session,
    forgive,
    open_session,
    touch_session,
    uncount_attempt,
)

NOW = Instant(1000 * DAY)
COOKIE = b"a hash"


@pytest.fixture
def connection(tmp_path, migrated):
    path = shutil.copy(migrated, tmp_path / "puyun.db")
    engine = open_engine(path)
    with writing(engine) as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def ada(connection):
    return create_user(connection, "ada@example.com", "hash", now=NOW, operator=True)


def test_a_session_is_found_by_its_hash_alone(connection, ada):
    open_session(connection, COOKIE, ada.id, agent="a browser" * 100, now=NOW)
    found = find_session(connection, COOKIE, NOW)
    assert found is not None
    assert found.user == ada
    assert find_session(connection, b"another", NOW) is None


def test_a_session_ends_when_it_lies_idle_and_lives_on_while_it_is_used(connection, ada):
    open_session(connection, COOKIE, ada.id, agent="", now=NOW)
    assert find_session(connection, COOKIE, Instant(NOW + IDLE - 1)) is not None
    assert find_session(connection, COOKIE, Instant(NOW + IDLE)) is None
    touch_session(connection, COOKIE, Instant(NOW + DAY))
    assert find_session(connection, COOKIE, Instant(NOW + IDLE)) is not None


def test_a_session_ends_after_its_lifetime_however_busy(connection, ada):
    open_session(connection, COOKIE, ada.id, agent="", now=NOW)
    touch_session(connection, COOKIE, Instant(NOW + LIFETIME - 1))
    assert find_session(connection, COOKIE, Instant(NOW + LIFETIME - 1)) is not None
    assert find_session(connection, COOKIE, Instant(NOW + LIFETIME)) is None


def test_use_is_written_down_now_and_then(connection, ada):
    open_session(connection, COOKIE, ada.id, agent="", now=NOW)
    found = find_session(connection, COOKIE, NOW)
    assert found is not None
    assert not found.stale(Instant(NOW + MINUTE))
    assert found.stale(Instant(NOW + HOUR))


def test_a_session_ends_by_sign_out_and_by_a_new_password(connection, ada):
    for cookie in (COOKIE, b"other"):
        open_session(connection, cookie, ada.id, agent="", now=NOW)
    close_session(connection, COOKIE)
    assert find_session(connection, COOKIE, NOW) is None
    set_password_hash(connection, ada.id, "new")
    assert find_session(connection, b"other", NOW) is None


def test_ended_sessions_are_removed_when_one_begins(connection, ada):
    open_session(connection, COOKIE, ada.id, agent="", now=NOW)
    open_session(connection, b"later", ada.id, agent="", now=Instant(NOW + IDLE))
    assert connection.exec_driver_sql("SELECT count(*) FROM session").scalar() == 1


def attempt(connection, now, *, lock=lambda failures: Instant(NOW + failures * HOUR)):
    return count_attempt(connection, "email a@example.com", now, forgotten_after=DAY, lock=lock)


def test_an_attempt_locks_the_next_one_and_a_locked_one_is_not_counted(connection):
    assert attempt(connection, NOW) == NOW
    assert attempt(connection, NOW) == NOW + HOUR
    assert attempt(connection, Instant(NOW + HOUR - 1)) == NOW + HOUR
    assert attempt(connection, Instant(NOW + HOUR)) == NOW + HOUR
    assert attempt(connection, Instant(NOW + HOUR)) == NOW + 2 * HOUR


def test_a_success_forgets_the_failures(connection):
    attempt(connection, NOW)
    forgive(connection, "email a@example.com")
    assert attempt(connection, NOW) == NOW


def test_a_success_takes_back_one_attempt_only(connection):
    counted = []

    def lock(failures):
        counted.append(failures)
        return NOW

    for _ in range(3):
        attempt(connection, NOW, lock=lock)
    uncount_attempt(connection, "email a@example.com", NOW)
    attempt(connection, NOW, lock=lock)
    assert counted == [1, 2, 3, 3]


def test_old_failures_are_forgotten(connection):
    attempt(connection, NOW)
    later = Instant(NOW + HOUR + DAY)
    assert attempt(connection, later, lock=lambda failures: Instant(later + failures)) == later
    assert connection.exec_driver_sql("SELECT failures FROM signin_failure").scalars().all() == [1]
