import pytest
from sqlalchemy import Connection, Engine, insert, select, update

from puyun.catalog.model import TIERS
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import NANO, TOPUP_MAX
from puyun.ledger.command import Posted
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.identity import create_organization
from puyun.storage.wallets import MoneyKind, balance_at, list_wallets, load_wallet, set_credit_limit, top_up

NOW = Instant(1_700_000_000_000_000)
ORG = 7


@pytest.fixture
def org(engine: Engine) -> int:
    with writing(engine) as connection:
        return create_organization(connection, "acme", org=ORG, tiers=TIERS, currency="USD", now=NOW).id


def pay(connection: Connection, amount: int, ref: str, kind: MoneyKind = MoneyKind.PAID) -> Posted:
    return top_up(connection, ORG, amount, kind=kind, ref=ref, note="invoice 9", now=NOW)


@pytest.mark.usefixtures("org")
def test_a_top_up_posts_one_line_and_moves_the_wallet(engine: Engine) -> None:
    with writing(engine) as connection:
        assert pay(connection, 5 * NANO, "a") == Posted(1, 5 * NANO)
        assert pay(connection, 2 * NANO, "b", MoneyKind.BONUS) == Posted(2, 7 * NANO)
    with reading(engine) as connection:
        lines = connection.execute(select(schema.journal).order_by(schema.journal.c.number)).all()
        assert [tuple(line) for line in lines] == [
            (ORG, 1, 0, "topup", "processor:manual", "wallet.paid", 5 * NANO, NOW, "a", "invoice 9"),
            (ORG, 2, 0, "bonus", "promo", "wallet.bonus", 2 * NANO, NOW, "b", "invoice 9"),
        ]
        wallet = load_wallet(connection, ORG)
        assert (wallet.paid, wallet.bonus, wallet.last, wallet.available) == (5 * NANO, 2 * NANO, 2, 7 * NANO)
        assert list_wallets(connection) == {ORG: wallet}
        assert balance_at(connection, ORG, 1) == 5 * NANO


@pytest.mark.usefixtures("org")
def test_repeating_a_top_up_gets_the_first_answer_and_changes_nothing(engine: Engine) -> None:
    with writing(engine) as connection:
        first = pay(connection, 5 * NANO, "a")
        pay(connection, 1, "b")
        before = load_wallet(connection, ORG)
    with writing(engine) as connection:
        assert pay(connection, 5 * NANO, "a") == first == Posted(1, 5 * NANO)
        assert load_wallet(connection, ORG) == before


@pytest.mark.usefixtures("org")
def test_an_idempotency_key_belongs_to_one_posting(engine: Engine) -> None:
    with writing(engine) as connection:
        pay(connection, 5, "a")
        for amount, kind in ((6, MoneyKind.PAID), (5, MoneyKind.BONUS)):
            with pytest.raises(PuyunError) as refused:
                pay(connection, amount, "a", kind)
            assert refused.value.code == "reference_reused"
        create_organization(connection, "other", org=8, tiers=TIERS, currency="USD", now=NOW)
        assert top_up(connection, 8, 6, kind=MoneyKind.PAID, ref="a", now=NOW) == Posted(1, 6)


@pytest.mark.usefixtures("org")
@pytest.mark.parametrize("amount", [0, -1, TOPUP_MAX + 1])
def test_amounts_nobody_means(engine: Engine, amount: int) -> None:
    with writing(engine) as connection, pytest.raises(PuyunError) as refused:
        pay(connection, amount, "a")
    assert refused.value.code == "invalid_amount"


@pytest.mark.usefixtures("org")
def test_a_wallet_has_an_upper_bound(engine: Engine) -> None:
    with writing(engine) as connection:
        for number in range(10):
            pay(connection, TOPUP_MAX, str(number))
        with pytest.raises(PuyunError) as refused:
            pay(connection, 1, "last")
    assert refused.value.code == "wallet_limit"


def test_no_organization_no_wallet(engine: Engine) -> None:
    with writing(engine) as connection, pytest.raises(PuyunError) as refused:
        pay(connection, 1, "a")
    assert refused.value.code == "organization_not_found"


@pytest.mark.usefixtures("org")
def test_a_credit_limit_in_use_cannot_be_taken_away(engine: Engine) -> None:
    with writing(engine) as connection:
        assert set_credit_limit(connection, ORG, 10).available == 10
        connection.execute(update(schema.wallet).where(schema.wallet.c.org == ORG).values(paid=-4, held=3))
        assert set_credit_limit(connection, ORG, 7).available == 0
        for limit, code in ((6, "credit_in_use"), (-1, "invalid_amount")):
            with pytest.raises(PuyunError) as refused:
                set_credit_limit(connection, ORG, limit)
            assert refused.value.code == code


@pytest.mark.usefixtures("org")
def test_a_posting_leaves_holds_alone(engine: Engine) -> None:
    with writing(engine) as connection:
        pay(connection, 10, "a")
        connection.execute(update(schema.wallet).where(schema.wallet.c.org == ORG).values(held=4))
        row = {"org": ORG, "call": 1, "amount": 4, "key": 1, "owner": 1, "model": 1, "tier": 1}
        connection.execute(insert(schema.hold).values(row))
        pay(connection, 1, "b")
        assert (load_wallet(connection, ORG).held, load_wallet(connection, ORG).available) == (4, 7)
