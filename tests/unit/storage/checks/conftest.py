"""A shop in which every act was done once, sealed; copied for each test that tampers with it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from books import why
from shop import NOON, Shop
from sqlalchemy import Engine, text

from puyun.kit.clock import DAY, HOUR, Instant
from puyun.kit.money import NANO
from puyun.ledger.acts.dispute import Dispute
from puyun.ledger.acts.grant import CodeKind, MoneyKind
from puyun.metering.usage import Usage
from puyun.storage.engine import open_engine, reading, writing
from puyun.storage.money.codes import CodeSpec, add_codes, use_code
from puyun.storage.money.disputes import end_dispute, open_dispute
from puyun.storage.money.grants import adjust, give_bonus
from puyun.storage.money.invoices import issue_invoice, pay_invoice
from puyun.storage.money.payments import ask_payout, end_payout
from puyun.storage.money.refunds import refund_call
from puyun.storage.money.seals import add_seal, draft_seal
from puyun.storage.wallets import set_credit_limit

SEALED = Instant(NOON + 3 * HOUR)


def every_act(shop: Shop) -> None:
    call = shop.sell(Usage(input=1000, output=100))
    with writing(shop.engine) as connection:
        refund_call(connection, 7, call, 700_000, act=why("a"), now=NOON)
        give_bonus(connection, 7, 9, why("b"), expires_at=Instant(NOON + DAY), now=NOON)
        spec = CodeSpec(kind=CodeKind.GIFT, amount=50, currency="USD")
        add_codes(connection, spec, ["used", "unused"], NOON)
        use_code(connection, 7, "used", by="ann", now=NOON)
        payout = ask_payout(connection, 7, 3, "manual", act=why("p"), now=NOON)
        end_payout(connection, payout.id, paid=True, act=why(""), now=NOON)
        ask_payout(connection, 7, 4, "manual", act=why("q"), now=NOON)
        for ref in ("won", "lost", "open"):
            dispute = Dispute(org=7, amount=6 * NANO, processor="manual", fee=2)
            open_dispute(connection, dispute, act=why(ref), now=NOON)
        end_dispute(connection, 7, won=True, act=why("won"), now=NOON)
        end_dispute(connection, 7, won=False, act=why("lost"), now=NOON)
        set_credit_limit(connection, 7, 10 * NANO)
        adjust(connection, 7, -6 * NANO, kind=MoneyKind.PAID, act=why("out"), now=NOON)
        for ref in ("one", "two"):
            issue_invoice(connection, 7, NANO // 4, due_at=None, act=why(ref), now=NOON)
        pay_invoice(connection, 1, "main", act=why(""), now=NOON)
        end_dispute(connection, 7, won=True, act=why("open"), now=NOON)
        open_dispute(connection, Dispute(org=7, amount=20, processor="manual"), act=why("third"), now=NOON)
        set_credit_limit(connection, 7, 20 * NANO)


def seal(engine: Engine, now: Instant) -> None:
    with reading(engine) as connection:
        draft = draft_seal(connection, now, 2)
    assert draft is not None
    with writing(engine) as connection:
        add_seal(connection, draft)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Path:
    path = Path(shutil.copy(migrated, tmp_path_factory.mktemp("books") / "puyun.db"))
    engine = open_engine(path)
    shop = Shop(engine, path)
    every_act(shop)
    seal(engine, Instant(NOON + HOUR + 15 * 60_000_000))
    shop.later(2)
    with writing(engine) as connection:
        end_dispute(connection, 7, won=True, act=why("third"), now=shop.clock.now())
    for tokens in (5, 6, 7):
        shop.sell(Usage(input=tokens))
    seal(engine, Instant(SEALED + 15 * 60_000_000))
    shop.later(2)
    shop.sell(Usage(input=8))
    shop.store.close()
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture
def engine(tmp_path: Path, books: Path) -> Iterator[Engine]:
    engine = open_engine(Path(shutil.copy(books, tmp_path / "puyun.db")))
    yield engine
    engine.dispose()


Tamper = Callable[[str], None]


@pytest.fixture
def tamper(engine: Engine) -> Tamper:
    """As somebody with the file in hand would: without the triggers and the checks."""

    def change(statement: str) -> None:
        with writing(engine) as connection:
            connection.exec_driver_sql("PRAGMA ignore_check_constraints=ON")
            for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            assert connection.exec_driver_sql(statement).rowcount > 0

    return change
