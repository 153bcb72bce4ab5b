"""A sign-up is all of it or nothing, and happens once."""

import signal
import subprocess
import sys
import threading

import pytest
from books import findings
from sqlalchemy import func, select

from puyun.catalog.model import Tier
from puyun.config import Signup
from puyun.identity.model import Role
from puyun.kit.clock import DAY, Instant, parse_instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import NANO
from puyun.limits.rule import Metric
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.identity import list_memberships
from puyun.storage.limits.rules import list_limits
from puyun.storage.money import tables
from puyun.storage.signup import founding
from puyun.storage.signup.founding import Founder, found, give_trial
from puyun.storage.wallets import load_wallet

NOW = parse_instant("2026-03-15T12:30:00Z")
TERMS = Signup(open=True, tiers="flex, test", limits="rpm=60, tpd=200000", credit="1.50", credit_days=7)
ADA = Founder(email="Ada@Example.com", password_hash="$argon2id$", name=" Engines ", org=7)
TABLES = (
    schema.user,
    schema.organization,
    schema.wallet,
    schema.membership,
    schema.journal,
    schema.posting_key,
    tables.lot,
)


class BrokenError(Exception):
    """What a step may end with."""


def counts(engine):
    with reading(engine) as connection:
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in TABLES]


def sign_up(engine, founder=ADA, terms=TERMS, now=NOW):
    with writing(engine) as connection:
        return found(connection, founder, terms, verify=False, currency="EUR", now=now)


def test_a_sign_up_makes_everything_that_an_organization_needs(engine):
    user = sign_up(engine)
    assert (user.email, user.operator) == ("ada@example.com", False)
    with reading(engine) as connection:
        [(organization, role)] = list_memberships(connection, user.id)
        wallet = load_wallet(connection, organization.id)
        rules = [row.rule for row in list_limits(connection, organization.id)]
        lot = connection.execute(select(tables.lot)).one()
    assert (organization.name, organization.tiers, role) == ("Engines", (Tier.TEST, Tier.FLEX), Role.OWNER)
    assert (wallet.currency, wallet.paid, wallet.bonus) == ("EUR", 0, 3 * NANO // 2)
    assert {rule.metric: rule.amount for rule in rules} == {Metric.RPM: 60, Metric.TPD: 200_000}
    assert (lot.amount, lot.expires_at) == (3 * NANO // 2, NOW + 7 * DAY)
    assert findings(engine) == []


def test_without_credit_and_limits_there_is_an_empty_wallet_and_no_rule(engine):
    sign_up(engine, terms=Signup(open=True))
    with reading(engine) as connection:
        assert load_wallet(connection, ADA.org).balance == 0
        assert list_limits(connection, ADA.org) == []
    assert counts(engine) == [1, 1, 1, 1, 0, 0, 0]


def test_credit_that_never_ends(engine):
    sign_up(engine, terms=Signup(open=True, credit="1", credit_days=0))
    with reading(engine) as connection:
        assert connection.execute(select(tables.lot.c.expires_at)).scalar() is None


def test_the_trial_credit_is_given_once(engine):
    sign_up(engine)
    with writing(engine) as connection:
        [(organization, _)] = list_memberships(connection, 1)
        give_trial(connection, organization.id, TERMS, NOW)
        assert load_wallet(connection, ADA.org).bonus == 3 * NANO // 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"org": 8, "name": "Looms"}, "user_exists"),
        ({"org": 8, "email": "bob@example.com"}, "organization_exists"),
        ({"email": "bob@example.com", "name": "Looms"}, "organization_exists"),  # the number, by chance
        ({"org": 8, "email": "bob", "name": "Looms"}, "invalid_email"),
        ({"org": 8, "email": "b\0b@example.com", "name": "Looms"}, "invalid_email"),
        ({"org": 8, "email": "bob@example.com", "name": " "}, "invalid_name"),
    ],
)
def test_a_refusal_leaves_nothing(engine, changes, code):
    sign_up(engine)
    before = counts(engine)
    other = {"email": ADA.email, "password_hash": "", "name": "Engines", "org": ADA.org} | changes
    with pytest.raises(PuyunError) as refused:
        sign_up(engine, Founder(**other))
    assert refused.value.code == code
    assert counts(engine) == before


@pytest.mark.parametrize("step", ["create_user", "create_organization", "set_membership", "set_limits", "give_bonus"])
def test_whatever_breaks_nothing_is_half_made(engine, monkeypatch, step):
    """Each step is done, and what comes after it is not."""
    done = getattr(founding, step)

    def broken(*args, **kwargs):
        done(*args, **kwargs)
        raise BrokenError

    with monkeypatch.context() as patched:
        patched.setattr(founding, step, broken)
        with pytest.raises(BrokenError):
            sign_up(engine)
    assert counts(engine) == [0] * len(TABLES)
    sign_up(engine)
    assert counts(engine) == [1, 1, 1, 1, 1, 1, 1]


def test_so_many_a_day(engine):
    terms = Signup(open=True, per_day=2)
    others = [Founder(email=f"p{n}@example.com", password_hash="", name=f"org {n}", org=n) for n in range(1, 5)]
    sign_up(engine, others[0], terms)
    sign_up(engine, others[1], terms, Instant(NOW + 1))
    with pytest.raises(PuyunError) as refused:
        sign_up(engine, others[2], terms, Instant(NOW + DAY))
    assert (refused.value.code, refused.value.status) == ("signups_full", 429)
    sign_up(engine, others[2], terms, Instant(NOW + DAY + 1))


def test_of_two_at_once_with_one_address_one_is_let_in(engine):
    gate, ended = threading.Barrier(2), []

    def one(number):
        founder = Founder(email=ADA.email, password_hash="", name=f"org {number}", org=number)
        gate.wait(20)
        try:
            ended.append(sign_up(engine, founder).email)
        except PuyunError as error:
            ended.append(error.code)

    threads = [threading.Thread(target=one, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(ended) == ["ada@example.com", "user_exists"]
    assert counts(engine)[:4] == [1, 1, 1, 1]


SCENE = """
import sys
from pathlib import Path
from puyun.config import Signup
from puyun.storage.engine import open_engine, writing
from puyun.storage.signup.founding import Founder, found
from puyun.system import crash

place, database = sys.argv[1:]
engine = open_engine(database if "://" in database else Path(database))
crash.arm(place)
with writing(engine) as connection:
    founder = Founder(email="ada@example.com", password_hash="x", name="Engines", org=7)
    found(connection, founder, Signup(open=True, credit="1", limits="rpm=60"), verify=False, currency="EUR", now=1)
"""


@pytest.mark.parametrize(("place", "made"), [("act-written", 0), ("act-committed", 1)])
def test_a_process_that_is_killed_leaves_all_of_it_or_nothing(engine, database, place, made):
    command = [sys.executable, "-c", SCENE, place, str(database)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert counts(engine) == [made] * len(TABLES)
    assert findings(engine) == []
