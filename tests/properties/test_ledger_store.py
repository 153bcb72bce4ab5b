"""The store on SQLite is the book in memory, however commands are batched and however often they are repeated."""

from itertools import count, pairwise

from hypothesis import given, settings, strategies as st
from till import Till, columns, grow, hold, record

from puyun.kit.money import charge_of
from puyun.ledger.book import Book, Wallet
from puyun.ledger.budget import Budget, Period, Subject
from puyun.ledger.command import Grow, Outcome, Refused, Settle, Settled
from puyun.ledger.hold import Status
from puyun.metering.record import UsageRecord
from puyun.storage.ledger.store import Ask

PAID, BONUS, LIMIT = 300, 40, 200

_fresh = count(1)

Step = tuple[str, int, int, str, str]

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["hold", "hold", "settle", "settle", "grow"]),
        st.integers(0, 7),
        st.integers(0, 120),
        st.sampled_from(sorted(Status)),
        st.sampled_from(["flex", "test", "enterprise"]),
    ),
    max_size=40,
)
relaxed = settings(max_examples=60)


def organizations(till: Till) -> tuple[int, int]:
    """Two new ones: a prepaid one with a budget on its first key, and one with credit."""
    first, second = next(_fresh), next(_fresh)
    till.wallet(first, paid=PAID, bonus=BONUS)
    till.wallet(second, paid=PAID // 4, credit_limit=50)
    till.budget(first * 10, LIMIT)
    return first, second


def asks_of(steps: list[Step], orgs: tuple[int, int], calls: list[int]) -> list[Ask]:
    """Even calls are the first organization's, odd ones the second's; of the first's calls two use another key."""
    asks: list[Ask] = []
    for verb, number, amount, status, tier in steps:
        org = orgs[number % 2]
        key = org * 10 + number // 5
        if verb == "hold":
            asks.append(hold(org, calls[number], amount, key=key, tier=tier))
        elif verb == "grow":
            asks.append(grow(org, calls[number], amount, key=key))
        else:
            asks.append(record(org, calls[number], amount, Status(status), key=key, tier=tier))
    return asks


def in_memory(asks: list[Ask], orgs: tuple[int, int]) -> tuple[list[Outcome], Book]:
    """One Book a command, as if each were a transaction of its own."""
    first, second = orgs
    wallets = {first: Wallet(first, PAID, BONUS), second: Wallet(second, PAID // 4, credit_limit=50)}
    place = (first, Subject.KEY, first * 10)
    book = Book(wallets, {place: [Budget(1, place, Period.TOTAL, hard=True, limit=LIMIT)]})
    outcomes: list[Outcome] = []
    for ask in asks:
        book = Book(book.wallets, book.budgets, book.holds, book.ended)
        settle = isinstance(ask, UsageRecord)
        command = Settle(ask.org, ask.call, ask.key, ask.tier, ask.status, charge_of(ask.exact)) if settle else ask
        outcomes.append(book.apply(command))
    return outcomes, book


def seen(till: Till, orgs: tuple[int, int]) -> list[dict[str, list[tuple]]]:
    """What is written, without what may differ: organizations' numbers, and how transactions are numbered."""
    found: list[dict[str, list[tuple]]] = []
    for org in orgs:
        rows = till.everything(org)
        taken: dict[tuple, int] = {}
        for _, _, entry, debit, credit, amount in rows["journal"]:
            taken[entry, debit, credit] = taken.get((entry, debit, credit), 0) + amount
        found.append(
            {
                "wallet": columns(rows["wallet"], 3),
                "budget": columns(rows["budget"], 1),
                "hold": columns(rows["hold"], 2),
                "record": columns(rows["record"], 0, 2, 3),
                "rollup": columns(rows["rollup"], 0, 2),
                "journal": sorted(taken.items()),
            }
        )
    return found


def unnumbered(outcome: Outcome) -> Outcome:
    if isinstance(outcome, Settled):
        return Settled(outcome.charge, outcome.from_bonus, outcome.balance, bool(outcome.transaction))
    return outcome


@relaxed
@given(steps=STEPS)
def test_the_store_answers_as_the_book_does(till: Till, steps: list[Step]) -> None:
    orgs, calls = organizations(till), [till.call() for _ in range(8)]
    asks = asks_of(steps, orgs, calls)
    expected, book = in_memory(asks, orgs)
    assert [till.one(ask) for ask in asks] == expected
    for org in orgs:
        rows = till.everything(org)
        wallet = book.wallets[org]
        assert rows["wallet"] == [(wallet.paid, wallet.bonus, wallet.held, wallet.last)]
        assert {(org, row[0]): row[1] for row in rows["hold"]} == {k: v for k, v in book.holds.items() if k[0] == org}
        assert {row[1] for row in rows["record"]} == {call for by, call in book.ended if by == org}
        assert sum(row[-1] for row in rows["rollup"]) == sum(e.charge for k, e in book.ended.items() if k[0] == org)
        assert sum(row[5] for row in rows["rollup"]) == len(rows["record"])
        assert sum(row[5] for row in rows["journal"]) == sum(e.charge for k, e in book.ended.items() if k[0] == org)
    key = (orgs[0], Subject.KEY, orgs[0] * 10)
    windows = book.budgets[key][0].windows
    used = [(1, key[2], 0, w.spent, w.held) for w in windows.values() if w.spent or w.held]
    assert till.everything(orgs[0])["budget"] == used


@relaxed
@given(steps=STEPS, cuts=st.sets(st.integers(0, 40)))
def test_any_split_into_batches_is_the_same(till: Till, steps: list[Step], cuts: set[int]) -> None:
    calls = [till.call() for _ in range(8)]
    one_by_one, batched = organizations(till), organizations(till)
    singly = [till.one(ask) for ask in asks_of(steps, one_by_one, calls)]
    asks = asks_of(steps, batched, calls)
    places = sorted({0, len(asks), *(cut for cut in cuts if cut < len(asks))})
    together = [outcome for start, end in pairwise(places) for outcome in till.store.commit(asks[start:end])]
    assert [unnumbered(outcome) for outcome in together] == [unnumbered(outcome) for outcome in singly]
    assert seen(till, batched) == seen(till, one_by_one)


@relaxed
@given(steps=STEPS, again=st.lists(st.integers(0, 39), max_size=10), size=st.integers(1, 12))
def test_a_repeated_command_changes_nothing(till: Till, steps: list[Step], again: list[int], size: int) -> None:
    """I13, for holds and settles, at once and later, in batches of any size. What was refused may be granted later, and
    a grow has no identity of its own: neither is repeated.
    """
    calls = [till.call() for _ in range(8)]
    once, often = organizations(till), organizations(till)
    first = [till.one(ask) for ask in asks_of(steps, once, calls)]
    asks = asks_of(steps, often, calls)
    able = {n for n, ask in enumerate(asks) if not isinstance(ask, Grow) and not isinstance(first[n], Refused)}
    script: list[tuple[Ask, int]] = []
    for place, ask in enumerate(asks):
        repeated = [number for number in again if number <= place and number in able]
        script += [(ask, place), *((asks[number], number) for number in repeated)]
    outcomes: list[Outcome] = []
    for start in range(0, len(script), size):
        outcomes += till.store.commit([ask for ask, _ in script[start : start + size]])
    assert seen(till, often) == seen(till, once)
    settled = [(outcome, place) for outcome, (_, place) in zip(outcomes, script, strict=True)]
    for outcome, place in settled:
        if isinstance(first[place], Settled):
            assert unnumbered(outcome) == unnumbered(first[place])
