"""On each engine."""

import pytest

from puyun.kit.clock import DAY, MINUTE, Instant
from puyun.storage.engine import reading, writing
from puyun.storage.mail import post as mail
from puyun.storage.mail.post import Letter

NOW = Instant(1000 * DAY)
HELLO = Letter(recipient="ada@example.com", subject="Hello", body="https://example.com/secret", language="en")


@pytest.fixture
def posted(engine):
    with writing(engine) as connection:
        return mail.post(connection, HELLO, NOW)


def test_what_is_posted_is_due_at_once_and_says_what_it_said(engine, posted):
    with reading(engine) as connection:
        (found,) = mail.due(connection, NOW, 10)
    assert (found.id, found.letter, found.tries, found.sent_at) == (posted, HELLO, 0, None)


def test_what_was_sent_is_not_due_and_its_text_is_gone(engine, posted):
    with writing(engine) as connection:
        mail.sent(connection, posted, NOW + MINUTE)
    with reading(engine) as connection:
        assert mail.due(connection, NOW + DAY, 10) == []
        (found,) = mail.newest(connection, 10)
    assert (found.letter.body, found.sent_at, found.tries) == ("", NOW + MINUTE, 1)


def test_what_failed_is_due_again_when_it_was_said_and_keeps_its_text(engine, posted):
    with writing(engine) as connection:
        mail.failed(connection, posted, "refused " * 100, NOW + MINUTE)
    with reading(engine) as connection:
        assert mail.due(connection, NOW, 10) == []
        (found,) = mail.due(connection, NOW + MINUTE, 10)
    assert (found.letter, found.tries, len(found.error)) == (HELLO, 1, mail.ERROR_MAX)


def test_what_was_given_up_stays_to_be_seen(engine, posted):
    with writing(engine) as connection:
        mail.failed(connection, posted, "no such mailbox", None)
    with reading(engine) as connection:
        assert mail.due(connection, NOW + DAY, 10) == []
        (found,) = mail.newest(connection, 10)
    assert (found.next_at, found.error) == (None, "no such mailbox")


def test_the_oldest_comes_first_and_no_more_than_asked_for(engine, posted):
    with writing(engine) as connection:
        late = [mail.post(connection, HELLO, Instant(NOW + n)) for n in (2, 1)]
    with reading(engine) as connection:
        assert [found.id for found in mail.due(connection, NOW + MINUTE, 2)] == [posted, late[1]]
