import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from shop import NOON, Shop
from sqlalchemy import Engine, text

from puyun.catalog.model import TIERS
from puyun.kit.money import NANO
from puyun.ledger.hold import Status
from puyun.metering.usage import NO_USAGE, Usage
from puyun.storage.audit import Counts, audit
from puyun.storage.engine import open_engine, reading, writing
from puyun.storage.identity import create_organization
from puyun.storage.wallets import MoneyKind, top_up

USAGE = Usage(input=1000, cached_input=7, output=100)


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Path:
    """A busy shop's database, made once and copied for each test."""
    path = Path(shutil.copy(migrated, tmp_path_factory.mktemp("busy") / "puyun.db"))
    engine = open_engine(path)
    shop = Shop(engine, path)
    busy(shop)
    shop.store.close()
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture
def engine(tmp_path: Path, sold: Path) -> Iterator[Engine]:
    engine = open_engine(Path(shutil.copy(sold, tmp_path / "puyun.db")))
    yield engine
    engine.dispose()


def findings(engine: Engine) -> list[tuple[str, str, str]]:
    with reading(engine) as connection:
        found = list(audit(connection, Counts(), lambda _done, _total: None))
    return [(finding.check, finding.where.removeprefix("acme (org_7), "), finding.message) for finding in found]


def checks(engine: Engine) -> set[str]:
    return {check for check, _, _ in findings(engine)}


def busy(shop: Shop) -> None:
    """Every way a call ends, bonus and paid, two hours, two models, a gap between the owners' lives, an open hold."""
    shop.sell(USAGE)
    shop.sell(USAGE, Status.CANCELLED)
    shop.sell(USAGE, Status.CUT)
    shop.sell(NO_USAGE, Status.FAILED, held=9)
    shop.later(1)
    shop.sell(Usage(input=3), model="n")
    shop.sell(Usage(input=0), model="n")
    shop.hold()
    assert shop.crash() == 1
    shop.hold()
    shop.sell(Usage(output=500_000), held=1)


def tamper(engine: Engine, statement: str) -> None:
    """As somebody with the file in hand would: without the triggers and the checks."""
    with writing(engine) as connection:
        connection.exec_driver_sql("PRAGMA ignore_check_constraints=ON")
        triggers = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
        for name in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        assert connection.exec_driver_sql(statement).rowcount > 0


def test_a_busy_shop_is_clean_and_everything_was_looked_at(engine: Engine) -> None:
    counts = Counts()
    with reading(engine) as connection:
        assert list(audit(connection, counts, lambda _done, _total: None)) == []
    assert (counts.organizations, counts.records) == (1, 8)
    assert counts.transactions == 2 + 5


def test_an_empty_database_is_clean(migrated: Path, tmp_path: Path) -> None:
    engine = open_engine(Path(shutil.copy(migrated, tmp_path / "empty.db")))
    assert findings(engine) == []
    engine.dispose()


FIRST = "(SELECT min(call) FROM usage_record WHERE charge > 0)"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE wallet SET paid = paid + 1", {"A2"}),
        ("UPDATE wallet SET bonus = bonus + 1", {"A2"}),
        ("UPDATE wallet SET held = held + 1", {"A3"}),
        ("UPDATE wallet SET last = last + 1", {"A1"}),
        ("UPDATE wallet SET paid = -5000000000", {"A2", "A4"}),
        ("DELETE FROM wallet", {"A0"}),
        ("DELETE FROM hold", {"A3", "A15"}),
        ("UPDATE hold SET amount = amount + 1", {"A3", "A15"}),
        (
            f"INSERT INTO hold SELECT org, call, 0, key, (SELECT max(id) FROM owner), model, tier FROM usage_record WHERE call = {FIRST}",
            {"A10"},
        ),
        ("UPDATE journal SET amount = amount + 1 WHERE number = 1", {"A2"}),
        ("UPDATE journal SET amount = amount + 1 WHERE number = 4", {"A2", "A5"}),
        ("UPDATE journal SET amount = -amount WHERE number = 1", {"A1", "A2"}),
        ("UPDATE journal SET entry = 'gift' WHERE number = 1", {"A1"}),
        ("UPDATE journal SET debit = 'promo' WHERE number = 1", {"A1"}),
        ("UPDATE journal SET credit = 'revenue:test' WHERE number = 4", {"A5"}),
        ("UPDATE journal SET number = 99 WHERE number = 7", {"A1", "A5"}),
        ("UPDATE journal SET line = 5 WHERE number = 4", {"A1"}),
        ("DELETE FROM journal WHERE number = 4", {"A1", "A2", "A5"}),
        ("DELETE FROM posting_key WHERE ref = 'first'", {"A12"}),
        ("UPDATE posting_key SET number = 2 WHERE ref = 'first'", {"A12"}),
        ("UPDATE journal SET ref = 'first' WHERE number = 2", {"A12"}),
        (f"UPDATE usage_record SET charge = charge - 1 WHERE call = {FIRST}", {"A5", "A6", "A9", "A15"}),
        (f"UPDATE usage_record SET charge = charge + 1 WHERE call = {FIRST}", {"A5", "A6", "A9", "A15"}),
        (f"UPDATE usage_record SET from_bonus = from_bonus - 1 WHERE call = {FIRST}", {"A5"}),
        (f"UPDATE usage_record SET number = number + 1 WHERE call = {FIRST}", {"A5"}),
        (f"UPDATE usage_record SET number = 0 WHERE call = {FIRST}", {"A5", "A7"}),
        (f"UPDATE usage_record SET tier = 1 WHERE call = {FIRST}", {"A5", "A6", "A8"}),
        (f"UPDATE usage_record SET status = 4 WHERE call = {FIRST}", {"A6", "A18"}),
        (f"UPDATE usage_record SET input = input + 1 WHERE call = {FIRST}", {"A6", "A8"}),
        (f"UPDATE usage_record SET exact = exact + 1 WHERE call = {FIRST}", {"A8"}),
        (f"UPDATE usage_record SET price_ids = '1 77' WHERE call = {FIRST}", {"A8"}),
        (f"UPDATE usage_record SET price_ids = '3' WHERE call = {FIRST}", {"A8"}),
        (f"UPDATE usage_record SET price_ids = 'x' WHERE call = {FIRST}", {"A8"}),
        ("UPDATE usage_record SET flags = 0 WHERE flags = 4", {"A9"}),
        ("UPDATE price SET amount = amount + 1 WHERE id = 1", {"A8"}),
        ("UPDATE price SET model = 2 WHERE id = 1", {"A8"}),
        ("DELETE FROM price", {"A8"}),
        (f"DELETE FROM usage_record WHERE call = {FIRST}", {"A5", "A6", "A15"}),
        ("UPDATE rollup_hour SET calls = calls + 1", {"A6"}),
        ("UPDATE rollup_hour SET output = output + 1", {"A6"}),
        ("DELETE FROM rollup_hour WHERE hour = (SELECT max(hour) FROM rollup_hour)", {"A6"}),
        ("UPDATE rollup_hour SET hour = hour - 1", {"A6"}),
        ("UPDATE rollup_hour SET hour = hour + 100", {"A6"}),
        ("UPDATE budget_window SET spent = spent - 1", {"A15"}),
        ("UPDATE budget_window SET held = held + 1", {"A15"}),
        ("UPDATE usage_record SET org = 8", {"A0", "A5", "A6", "A15"}),
    ],
)
def test_each_kind_of_tampering_is_found(engine: Engine, statement: str, expected: set[str]) -> None:
    tamper(engine, statement)
    assert checks(engine) == expected


def test_a_finding_names_the_row_and_both_figures(engine: Engine) -> None:
    tamper(engine, "UPDATE wallet SET held = 77")
    assert findings(engine) == [("A3", "wallet", f"held is 77, derived {NANO // 100}, difference {77 - NANO // 100}")]


def test_a_hole_in_the_journal_is_named(engine: Engine) -> None:
    tamper(engine, "DELETE FROM journal WHERE number = 4")
    assert ("A1", "transaction 5", "it follows transaction 3") in findings(engine)


def test_one_organization_s_fault_is_not_another_s(engine: Engine) -> None:
    with writing(engine) as connection:
        create_organization(connection, "other", org=8, tiers=TIERS, currency="USD", now=NOON)
        top_up(connection, 8, 5, kind=MoneyKind.PAID, ref="first", now=NOON)
    tamper(engine, "UPDATE wallet SET paid = paid + 1 WHERE org = 8")
    assert findings(engine) == [("A2", "other (org_8), wallet", "paid is 6, derived 5, difference 1")]
