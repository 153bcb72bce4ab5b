"""A letter a member and event, in their language, whatever runs twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hooks import Hooks
from sqlalchemy import Engine, text

from puyun.identity.model import Membership, Role
from puyun.kit.clock import DAY, ManualClock
from puyun.notices.kinds import BalanceLow, Kind, Nano
from puyun.storage.engine import reading, writing
from puyun.storage.identity import set_membership
from puyun.storage.notify.choices import LETTERS_A_DAY, choose, remember_language
from puyun.storage.notify.events import happened, page_of_events, untold

LOW = BalanceLow(left=Nano(4_200_000_000), threshold=Nano(5_000_000_000), currency="USD")


def low(hooks: Hooks, org: int, number: int = 1) -> None:
    with writing(hooks.engine) as connection:
        happened(connection, org, LOW, subject=str(number), now=hooks.clock.now())


def recipients(hooks: Hooks) -> list[str]:
    return sorted(posted.letter.recipient for posted in hooks.letters())


def test_owners_and_billing_hear_of_a_low_balance_and_others_where_they_chose_to(hooks: Hooks) -> None:
    org = hooks.organization("R&D <1>")
    people = {role: hooks.person(f"{role}@example.com", org, role) for role in Role}
    with writing(hooks.engine) as connection:
        choose(connection, org.id, people[Role.ADMIN].id, {Kind.BALANCE_LOW: True})
        choose(connection, org.id, people[Role.BILLING].id, {Kind.BALANCE_LOW: False})
        choose(connection, org.id, people[Role.MEMBER].id, {Kind.BALANCE_LOW: True})  # may not see bills
        remember_language(connection, people[Role.OWNER].id, "zh")
    low(hooks, org.id)
    hooks.telling(mail=True).once()
    assert recipients(hooks) == ["admin@example.com", "owner@example.com"]
    letters = {posted.letter.recipient: posted.letter for posted in hooks.letters()}
    english, chinese = letters["admin@example.com"], letters["owner@example.com"]
    assert english.subject == "R&D <1>: The balance is low · Puyun AI"
    assert "$4.20 is left" in english.body
    assert "https://puyun.example/portal/settings/notifications?org=" in english.body
    assert (chinese.language, "余额" in chinese.subject) == ("zh-Hans", True) or chinese.language.startswith("zh")
    assert "&amp;" not in english.body + english.subject + chinese.body


def test_without_a_mail_server_no_letter_is_written(hooks: Hooks) -> None:
    org = hooks.organization("Engines")
    hooks.person("ada@example.com", org)
    low(hooks, org.id)
    assert hooks.telling().once() == 1
    assert recipients(hooks) == []


def test_two_processes_write_each_letter_once(hooks: Hooks) -> None:
    org = hooks.organization("Engines")
    hooks.person("ada@example.com", org)
    for number in range(10):
        low(hooks, org.id, number)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(hooks.telling(mail=True).once) for _ in range(4)]
        assert sum(job.result() for job in jobs) == 10
    assert len(recipients(hooks)) == 10


def test_an_event_that_comes_up_again_is_not_mailed_again(hooks: Hooks, engine: Engine) -> None:
    """As after a restored backup, or a mistake of ours: the row of the letter stands against it."""
    org = hooks.organization("Engines")
    hooks.person("ada@example.com", org)
    low(hooks, org.id)
    hooks.telling(mail=True).once()
    with writing(engine) as connection:
        connection.execute(text("UPDATE event SET told_at = NULL"))
    assert hooks.telling(mail=True).once() == 1
    assert recipients(hooks) == ["ada@example.com"]


def test_letters_of_a_day_have_a_bound(hooks: Hooks, clock: ManualClock) -> None:
    org = hooks.organization("Engines")
    hooks.person("ada@example.com", org)
    for number in range(LETTERS_A_DAY + 5):
        low(hooks, org.id, number)
    while hooks.telling(mail=True).once():
        pass
    assert len(recipients(hooks)) == LETTERS_A_DAY
    clock.advance(DAY)
    low(hooks, org.id, 999)
    hooks.telling(mail=True).once()
    assert len(recipients(hooks)) == LETTERS_A_DAY + 1


def test_somebody_in_two_organizations_hears_of_each(hooks: Hooks) -> None:
    one, two = hooks.organization("One"), hooks.organization("Two")
    ada = hooks.person("ada@example.com", one)
    with writing(hooks.engine) as connection:
        set_membership(connection, Membership(org=two.id, user=ada.id, role=Role.VIEWER))
    low(hooks, one.id)
    low(hooks, two.id)
    hooks.telling(mail=True).once()
    assert len(recipients(hooks)) == 1


@pytest.mark.parametrize("kind", ["budget", "something.newer"])
def test_what_this_version_does_not_know_is_passed_over(hooks: Hooks, engine: Engine, kind: str) -> None:
    org = hooks.organization("Engines")
    with writing(engine) as connection:
        connection.execute(
            text("INSERT INTO event (org, kind, subject, at, data) VALUES (:org, :kind, 'x', 1, '{}')"),
            {"org": org.id, "kind": kind},
        )
    low(hooks, org.id)
    hooks.telling(mail=True).once()
    with reading(engine) as connection:
        assert untold(connection, 9) == []
        assert [event.kind for event in page_of_events(connection, org.id, tuple(Kind)).rows] == [Kind.BALANCE_LOW]
