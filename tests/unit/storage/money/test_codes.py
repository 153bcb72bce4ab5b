import pytest
from books import findings, lines, wallet
from shop import NOON, Shop
from sqlalchemy import Engine

from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError
from puyun.ledger.acts.grant import CodeKind
from puyun.storage.engine import writing
from puyun.storage.money.codes import CodeSpec, add_codes, list_codes, open_value, use_code
from puyun.storage.money.grants import lots


def make(engine: Engine, *codes: str, kind: CodeKind = CodeKind.GIFT, **fields: object) -> None:
    with writing(engine) as connection:
        spec = CodeSpec(kind=kind, amount=50, currency=fields.pop("currency", "USD"), by="ann", **fields)
        add_codes(connection, spec, codes, NOON)


def use(engine: Engine, code: str, org: int = 7, now: Instant = NOON) -> int:
    with writing(engine) as connection:
        return use_code(connection, org, code, by="ann", now=now).transaction


def refused(engine: Engine, code: str, org: int = 7, now: Instant = NOON) -> str:
    with pytest.raises(PuyunError) as found:
        use(engine, code, org, now)
    return found.value.code


def test_a_code_credits_one_organization_once(engine: Engine, shop: Shop) -> None:
    make(engine, "abcd-efgh-jkmn-pqrs", "zzzz-zzzz-zzzz-zzzz", bonus_days=3)
    with writing(engine) as connection:
        shop.organization(connection, "other", 8)
        assert open_value(connection) == 100
    before = wallet(engine)
    number = use(engine, "abcd-efgh-jkmn-pqrs")
    assert use(engine, " ABCD efgh-jkmnpqrs") == number
    assert refused(engine, "abcd-efgh-jkmn-pqrs", org=8) == "code_used"
    assert wallet(engine).bonus == before.bonus + 50
    with writing(engine) as connection:
        assert lines(connection, number) == [("promo", "wallet.bonus", 50)]
        assert lots(connection, 7)[-1].expires_at == NOON + 3 * DAY
        assert [row.prefix for row in list_codes(connection, used=True)] == ["abcd-efgh"]
        assert [row.used_by for row in list_codes(connection, used=False)] == [None]
        assert len(list_codes(connection, used=None)) == 2
        assert open_value(connection) == 50
    assert findings(engine) == []


@pytest.mark.usefixtures("shop")
def test_a_sold_code_is_paid_money_without_an_end(engine: Engine) -> None:
    make(engine, "aaaa", kind=CodeKind.SOLD, bonus_days=3)
    number = use(engine, "aaaa")
    with writing(engine) as connection:
        assert lines(connection, number) == [("suspense", "wallet.paid", 50)]
    assert findings(engine) == []


@pytest.mark.usefixtures("shop")
def test_what_cannot_be_used(engine: Engine) -> None:
    make(engine, "late", expires_at=Instant(NOON + 5))
    make(engine, "yuan", currency="CNY")
    assert refused(engine, "none") == "code_not_found"
    assert refused(engine, "late", now=Instant(NOON + 5)) == "code_expired"
    assert refused(engine, "yuan") == "currency_differs"
    assert use(engine, "late", now=Instant(NOON + 4)) == 3
    with writing(engine) as connection, pytest.raises(PuyunError) as found:
        add_codes(connection, CodeSpec(kind=CodeKind.GIFT, amount=0, currency="USD"), ["x"], NOON)
    assert found.value.code == "invalid_amount"
