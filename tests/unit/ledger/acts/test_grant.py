import pytest
from hypothesis import given, strategies as st
from postings import ACT, NOBODY, rows, spelled

from puyun.kit.clock import Instant
from puyun.kit.money import TOPUP_MAX
from puyun.ledger.acts.grant import (
    Code,
    CodeKind,
    Lot,
    MoneyKind,
    Move,
    adjustment,
    agreed,
    bonus,
    expired_lot,
    expiry,
    expiry_ref,
    redeem,
    remaining,
    sla_credit,
)
from puyun.ledger.chart import Entry
from puyun.ledger.command import Act, Reason, Refused

NOW = Instant(1000)
PERIOD = Act("2026-11", by="ann", why="41 minutes down")

TABLE = f"""
bonus 5                  | bonus k: promo > wallet.bonus 5
bonus 0                  | refused amount 0 of {TOPUP_MAX}
bonus {TOPUP_MAX + 1}    | refused amount {TOPUP_MAX + 1} of {TOPUP_MAX}

sla 5 bonus              | sla sla:2026-11:availability: sla > wallet.bonus 5
sla 5 paid               | sla sla:2026-11:availability: sla > wallet.paid 5
sla 0 paid               | refused amount 0 of {TOPUP_MAX}
sla-without-evidence 5   | refused why 0 of 0

adjust 5 paid            | adjustment k: goodwill > wallet.paid 5
adjust -5 paid           | adjustment k: wallet.paid > goodwill 5
adjust 5 bonus           | adjustment k: goodwill > wallet.bonus 5
adjust -5 bonus          | adjustment k: wallet.bonus > goodwill 5
adjust 0 paid            | refused amount 0 of {TOPUP_MAX}
adjust -{TOPUP_MAX + 1} paid | refused amount -{TOPUP_MAX + 1} of {TOPUP_MAX}
adjust-by-nobody 5       | refused why 0 of 0

redeem gift              | redeem code:3: promo > wallet.bonus 50
redeem sold              | redeem code:3: suspense > wallet.paid 50
redeem used              | refused used 0 of 0
redeem late              | refused expired 0 of 0
redeem foreign           | refused currency 0 of 0

expire 40 of 100         | expiry lot:9:expiry: wallet.bonus > promo 40
expire 40 of 25          | expiry lot:9:expiry: wallet.bonus > promo 25
expire 40 of 0           | refused nothing 40 of 0
expire 0 of 100          | refused nothing 0 of 100
expire-early 40 of 100   | refused nothing 0 of 0
expire-never 40 of 100   | refused nothing 0 of 0
"""

CODES = {
    "gift": Code(id=3, kind=CodeKind.GIFT, amount=50, currency="USD"),
    "sold": Code(id=3, kind=CodeKind.SOLD, amount=50, currency="USD", expires_at=Instant(1001)),
    "used": Code(id=3, kind=CodeKind.GIFT, amount=50, currency="USD", used_by=8),
    "late": Code(id=3, kind=CodeKind.GIFT, amount=50, currency="USD", expires_at=NOW),
    "foreign": Code(id=3, kind=CodeKind.GIFT, amount=50, currency="CNY"),
}
ENDS = {"expire": 1000, "expire-early": 1001, "expire-never": None}


def answer_to(verb: str, words: list[str]) -> object:
    match verb, words:
        case "bonus", [amount]:
            return bonus(7, int(amount), ACT)
        case "sla", [amount, kind]:
            return sla_credit(7, int(amount), MoneyKind(kind), "availability", PERIOD)
        case "sla-without-evidence", [amount]:
            return sla_credit(7, int(amount), MoneyKind.PAID, "availability", Act("2026-11", by="ann"))
        case "adjust", [amount, kind]:
            return adjustment(7, int(amount), MoneyKind(kind), ACT)
        case "adjust-by-nobody", [amount]:
            return adjustment(7, int(amount), MoneyKind.PAID, NOBODY)
        case "redeem", [code]:
            return redeem(7, CODES[code], "USD", by="ann", now=NOW)
        case _, [rest, "of", available]:
            return expiry(7, Lot(9, 60, int(rest), ENDS[verb]), int(available), NOW)
    raise AssertionError(words)


@pytest.mark.parametrize(("asked", "answer"), [row for row in rows(TABLE) if row[0]])
def test_grants(asked: list[str], answer: str) -> None:
    assert spelled(answer_to(asked[0], asked[1:])) == answer


LOTS = {
    "what ends soonest goes first, then the oldest, what never ends last": (
        [(1, 10, None, 0), (2, 10, 200, 0), (3, 10, 100, 0), (4, 10, 100, 0), (5, -25, None, 0)],
        {1: 10, 2: 5, 3: 0, 4: 0},
    ),
    "a lot that comes later is used earlier if it ends earlier": (
        [(1, 10, 200, 0), (2, -4, None, 0), (3, 5, 100, 0), (4, -6, None, 0)],
        {1: 5, 3: 0},
    ),
    "an expiry cuts its own lot": ([(1, 10, 100, 0), (2, 10, None, 0), (3, -10, None, 1)], {1: 0, 2: 10}),
    "an expiry can cut no more than there is, the rule decides the rest": (
        [(1, 10, 100, 0), (2, 10, None, 0), (3, -12, None, 1)],
        {1: 0, 2: 8},
    ),
    "what comes back is a lot of its own": ([(1, 10, 100, 0), (2, -10, None, 0), (3, 4, None, 0)], {1: 0, 3: 4}),
    "nothing": ([], {}),
}


@pytest.mark.parametrize(("moves", "left"), LOTS.values(), ids=LOTS.keys())
def test_lots_are_used_up_by_one_rule(moves: list[tuple], left: dict[int, int]) -> None:
    assert {lot.number: lot.rest for lot in remaining(Move(*move) for move in moves)} == left


def test_more_than_there_is_cannot_be_taken() -> None:
    with pytest.raises(ValueError, match="transaction 2 takes 1 more"):
        remaining([Move(1, 10), Move(2, -11)])


@given(st.lists(st.tuples(st.integers(1, 50), st.none() | st.integers(1, 9), st.integers(0, 100)), max_size=30))
def test_lots_add_up_to_the_bonus_whatever_happened(history: list[tuple[int, int | None, int]]) -> None:
    moves: list[Move] = []
    balance = 0
    for amount, ends, percent in history:
        moves.append(Move(len(moves) + 1, amount, ends))
        balance += amount
        taken = balance * percent // 100
        if taken:
            moves.append(Move(len(moves) + 1, -taken))
            balance -= taken
    lots = remaining(moves)
    assert sum(lot.rest for lot in lots) == balance
    assert all(0 <= lot.rest <= lot.amount for lot in lots)


def test_an_expiry_names_its_lot_and_nothing_else_does() -> None:
    assert expired_lot(Entry.EXPIRY, expiry_ref(42)) == 42
    assert expired_lot(Entry.ADJUSTMENT, expiry_ref(42)) == 0


@pytest.mark.parametrize(
    ("amount", "approved_by", "above", "by"),
    [
        (5, "", 0, "ann"),
        (5, "", 5, "ann"),
        (-5, "", 5, "ann"),
        (6, "", 5, None),
        (-6, "", 5, None),
        (6, "ann", 5, None),
        (6, "bob", 5, "ann, approved by bob"),
        (1, "bob", 5, "ann, approved by bob"),
        (1, "ann", 5, "ann"),
    ],
)
def test_two_persons_above_a_limit(amount: int, approved_by: str, above: int, by: str | None) -> None:
    found = agreed(amount, Act("k", "ann", "why"), approved_by, above)
    assert found == (Refused(Reason.SECOND_PERSON) if by is None else Act("k", by, "why"))
