"""The book as dialogues: each line is a command and, after the bar, its outcome. Every refusal has a line."""

import pytest

from puyun.kit.money import WALLET_MAX
from puyun.ledger.book import Book, Wallet
from puyun.ledger.budget import Budget, Period, Subject
from puyun.ledger.chart import BONUS, GOODWILL, INVOICES, PAID, PROMO, Entry, bank, processor
from puyun.ledger.command import Command, Grow, Held, Hold, Outcome, Post, Posted, Refused, Reserve, Settle, Settled
from puyun.ledger.hold import Status
from puyun.ledger.posting import Line

ORG, KEY = 7, 3

POSTS = {
    "topup": (Entry.TOPUP, processor("manual"), PAID),
    "gift": (Entry.BONUS, PROMO, BONUS),
    "forgive": (Entry.ADJUSTMENT, GOODWILL, PAID),
    "take": (Entry.ADJUSTMENT, PAID, GOODWILL),
    "ungift": (Entry.ADJUSTMENT, BONUS, GOODWILL),
    "invoice": (Entry.INVOICE, INVOICES, PAID),
    "paid": (Entry.INVOICE_PAID, bank("main"), INVOICES),
    "payout": (Entry.PAYOUT, PAID, processor("manual")),
}


def command(words: list[str]) -> Command:
    verb, name, *rest = words
    call = ord(name[0])
    if verb in POSTS:
        entry, debit, credit = POSTS[verb]
        amount = int(rest[0])
        released = amount if entry is Entry.PAYOUT else 0
        return Post(ORG, entry, (Line(debit, credit, amount),), ref=name, released=released)
    match verb, rest:
        case "aside", [amount]:
            return Reserve(ORG, int(amount))
        case "hold", [amount]:
            return Hold(ORG, call, KEY, int(amount), 1, "flex")
        case "grow", [amount]:
            return Grow(ORG, call, KEY, int(amount))
        case "settle", [rated, *tier]:
            return Settle(ORG, call, KEY, tier[0] if tier else "flex", Status.COMPLETED, int(rated))
        case status, [rated]:
            return Settle(ORG, call, KEY, "flex", Status(status), int(rated))
    raise AssertionError(words)


def words(outcome: Outcome) -> str:
    match outcome:
        case Held(amount, available):
            return f"held {amount}, {available} left"
        case Refused(reason, needed, available):
            return f"refused {reason} {needed} {available}"
        case Settled(charge, from_bonus, balance, transaction):
            return f"took {charge}, {from_bonus} of it bonus, {balance} left, transaction {transaction}"
        case Posted(transaction, balance):
            return f"posted {transaction}, {balance} left"


def play(script: str) -> Book:
    """Run a script; every outcome must be the one that it says."""
    book = Book({})
    for line in script.strip().splitlines():
        asked, _, expected = (part.strip() for part in line.partition("|"))
        verb, *rest = asked.split()
        if verb == "wallet":
            fields = {name: int(value) for name, value in (word.split("=") for word in rest)}
            book.wallets[ORG] = Wallet(ORG, **fields)
        elif verb == "budget":
            place = (ORG, Subject.KEY, KEY)
            book.budgets[place] = [Budget(1, place, Period.TOTAL, hard=True, limit=int(rest[0]))]
        elif verb == "freeze":
            book.wallets[ORG].frozen = True
        else:
            assert words(book.apply(command(asked.split()))) == expected, line
    return book


SCRIPTS = {
    "a hold, its settle, and what is left": """
        wallet paid=100
        hold a 60          | held 60, 40 left
        settle a 25        | took 25, 0 of it bonus, 75 left, transaction 1
        hold b 75          | held 75, 0 left
    """,
    "no wallet, nothing": """
        hold a 0           | refused no_wallet 0 0
        grow a 0           | refused no_wallet 0 0
        settle a 0         | refused no_wallet 0 0
        topup t 5          | refused no_wallet 0 0
    """,
    "held money is not available (I4, I21)": """
        wallet paid=100
        hold a 60          | held 60, 40 left
        hold b 41          | refused credit 41 40
        hold b 40          | held 40, 0 left
        hold c 1           | refused credit 1 0
        hold d 0           | held 0, 0 left
    """,
    "growing": """
        wallet paid=100
        hold a 60          | held 60, 40 left
        grow a 30          | held 90, 10 left
        grow a 11          | refused credit 11 10
        grow b 1           | refused no_hold 0 0
        settle a 90        | took 90, 0 of it bonus, 10 left, transaction 1
        grow a 1           | refused finished 0 0
    """,
    "a hold repeated gets the first answer's amount, also when it asks for more (I13)": """
        wallet paid=100
        hold a 60          | held 60, 40 left
        hold a 60          | held 60, 40 left
        hold a 99          | held 60, 40 left
        settle a 10        | took 10, 0 of it bonus, 90 left, transaction 1
        hold a 60          | refused finished 0 0
    """,
    "a settle repeated gets the first answer, whatever it says now (I8, I13)": """
        wallet paid=100
        hold a 60          | held 60, 40 left
        settle a 10        | took 10, 0 of it bonus, 90 left, transaction 1
        settle a 10        | took 10, 0 of it bonus, 90 left, transaction 1
        settle a 60        | took 10, 0 of it bonus, 90 left, transaction 1
        failed a 60        | took 10, 0 of it bonus, 90 left, transaction 1
        crashed a 60       | took 10, 0 of it bonus, 90 left, transaction 1
    """,
    "no hold, no settle (I8)": """
        wallet paid=100
        settle a 10        | refused no_hold 0 0
        failed a 10        | refused no_hold 0 0
        crashed a 0        | refused no_hold 0 0
    """,
    "our failures and our crashes are free, whatever was rated (I14, I18)": """
        wallet paid=100
        hold a 60          | held 60, 40 left
        failed a 55        | took 0, 0 of it bonus, 100 left, transaction 0
        hold b 60          | held 60, 40 left
        crashed b 55       | took 0, 0 of it bonus, 100 left, transaction 0
    """,
    "who leaves pays what was delivered": """
        wallet paid=100
        hold a 60          | held 60, 40 left
        cancelled a 5      | took 5, 0 of it bonus, 95 left, transaction 1
        hold b 60          | held 60, 35 left
        cut b 60           | took 60, 0 of it bonus, 35 left, transaction 1
    """,
    "bonus goes first": """
        wallet paid=100 bonus=30
        hold a 50          | held 50, 80 left
        settle a 20        | took 20, 20 of it bonus, 110 left, transaction 1
        hold b 50          | held 50, 60 left
        settle b 20        | took 20, 10 of it bonus, 90 left, transaction 1
    """,
    "more than was held: what is free beside other holds, and no more (I10, I21)": """
        wallet paid=100
        hold a 10          | held 10, 90 left
        hold b 80          | held 80, 10 left
        settle a 50        | took 20, 0 of it bonus, 80 left, transaction 1
        settle b 80        | took 80, 0 of it bonus, 0 left, transaction 1
    """,
    "credit of an invoiced organization": """
        wallet paid=10 credit_limit=50 open_invoices=20
        hold a 41          | refused credit 41 40
        hold a 40          | held 40, 0 left
        settle a 99        | took 40, 0 of it bonus, -30 left, transaction 1
        hold b 1           | refused credit 1 0
    """,
    "a key's budget": """
        wallet paid=100
        budget 30
        hold a 31          | refused budget 31 30
        hold a 20          | held 20, 10 left
        hold b 11          | refused budget 11 10
        grow a 11          | refused budget 11 10
        grow a 10          | held 30, 0 left
        settle a 5         | took 5, 0 of it bonus, 95 left, transaction 1
        hold b 26          | refused budget 26 25
        hold b 25          | held 25, 0 left
        failed b 0         | took 0, 0 of it bonus, 95 left, transaction 0
        hold c 25          | held 25, 0 left
    """,
    "the wallet is asked before the budget": """
        wallet paid=10
        budget 5
        hold a 11          | refused credit 11 10
        hold a 6           | refused budget 6 5
    """,
    "an overrun is bounded by the budget too": """
        wallet paid=100
        budget 30
        hold a 10          | held 10, 20 left
        hold b 15          | held 15, 5 left
        settle a 50        | took 15, 0 of it bonus, 85 left, transaction 1
    """,
    "a frozen wallet promises nothing more, and running calls end": """
        wallet paid=100
        hold a 10          | held 10, 90 left
        freeze
        hold b 1           | refused frozen 1 0
        grow a 1           | refused frozen 1 0
        hold a 10          | held 10, 90 left
        settle a 10        | took 10, 0 of it bonus, 90 left, transaction 1
        topup t 5          | posted 2, 95 left
    """,
    "money in": """
        wallet paid=0
        topup t 100        | posted 1, 100 left
        gift g 20          | posted 2, 120 left
        topup t 100        | posted 1, 100 left
        topup t 999        | posted 1, 100 left
        forgive f 1        | posted 3, 121 left
    """,
    "money out: never what is held, never bonus that is not there": """
        wallet paid=100 bonus=10
        hold a 60          | held 60, 50 left
        take x 51          | refused credit 51 50
        ungift y 11        | refused credit 11 10
        ungift y 10        | posted 1, 100 left
        take x 40          | posted 2, 60 left
        take z 1           | refused credit 1 0
        settle a 60        | took 60, 0 of it bonus, 0 left, transaction 3
    """,
    "bonus pays no debts of paid money": """
        wallet paid=10 bonus=90
        take x 11          | refused credit 11 10
        take x 10          | posted 1, 90 left
    """,
    "what is put aside for a payout is held until the payout ends": """
        wallet paid=100 bonus=10
        hold a 40          | held 40, 70 left
        aside _ 71         | refused credit 71 70
        aside _ 60         | held 60, 10 left
        hold b 11          | refused credit 11 10
        take x 50          | refused credit 50 10
        payout p 60        | posted 1, 50 left
        payout p 60        | posted 1, 50 left
        aside _ 10         | held 10, 0 left
        aside _ -10        | held 0, 10 left
        aside _ -51        | refused no_hold 51 40
        payout q 41        | refused no_hold 41 40
        settle a 40        | took 40, 10 of it bonus, 10 left, transaction 2
    """,
    "a frozen wallet puts nothing aside, and takes back what it had": """
        wallet paid=100
        aside _ 60         | held 60, 40 left
        freeze
        aside _ 1          | refused frozen 1 0
        aside _ -60        | held 0, 100 left
    """,
    "an invoice moves the debt and nothing else": """
        wallet paid=-30 credit_limit=50
        hold a 20          | held 20, 0 left
        invoice i 30       | posted 1, 0 left
        hold b 1           | refused credit 1 0
        invoice j 1        | posted 2, 1 left
        paid k 32          | refused owed 32 31
        paid k 31          | posted 3, 1 left
        hold b 31          | held 31, 0 left
    """,
    "calls that end in one commit share a transaction": """
        wallet paid=100
        hold a 10          | held 10, 90 left
        hold b 10          | held 10, 80 left
        hold c 10          | held 10, 70 left
        settle a 1         | took 1, 0 of it bonus, 99 left, transaction 1
        settle b 2 test    | took 2, 0 of it bonus, 97 left, transaction 1
        topup t 1          | posted 2, 98 left
        settle c 0         | took 0, 0 of it bonus, 98 left, transaction 0
    """,
    "a call that costs nothing": """
        wallet paid=0
        hold a 0           | held 0, 0 left
        settle a 7         | took 0, 0 of it bonus, 0 left, transaction 0
    """,
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_dialogue(script: str) -> None:
    play(script)


def test_the_postings_of_a_commit_are_by_tier_and_by_where_the_money_came_from() -> None:
    book = play("""
        wallet paid=100 bonus=5 last=41
        hold a 50        | held 50, 55 left
        hold b 50        | held 50, 5 left
        settle a 8       | took 8, 5 of it bonus, 97 left, transaction 42
        settle b 7 test  | took 7, 0 of it bonus, 90 left, transaction 42
        topup t 3        | posted 43, 93 left
    """)
    posted = [(t.number, t.entry, t.ref, [(x.debit, x.credit, x.amount) for x in t.lines]) for t in book.transactions]
    assert sorted(posted) == [
        (42, "usage", "", [(BONUS, "revenue:flex", 5), (PAID, "revenue:flex", 3), (PAID, "revenue:test", 7)]),
        (43, "topup", "t", [("processor:manual", PAID, 3)]),
    ]


def test_a_wallet_has_an_upper_bound() -> None:
    book = Book({ORG: Wallet(ORG, paid=WALLET_MAX - 5)})
    line = Line(processor("manual"), PAID, 6)
    assert book.apply(Post(ORG, Entry.TOPUP, (line,), "t")) == Refused("limit", 6, 5)
    assert book.apply(Post(ORG, Entry.TOPUP, (Line(processor("manual"), PAID, 5),), "t")) == Posted(1, WALLET_MAX)


def test_a_refusal_names_what_was_asked_for_of_either_kind() -> None:
    book = Book({ORG: Wallet(ORG, paid=WALLET_MAX - 5, bonus=3)})
    gift, both = Line(PROMO, BONUS, 6), (Line(PAID, GOODWILL, WALLET_MAX), Line(BONUS, GOODWILL, 2))
    assert book.apply(Post(ORG, Entry.BONUS, (gift,), "g")) == Refused("limit", 6, 2)
    assert book.apply(Post(ORG, Entry.ADJUSTMENT, both, "b")) == Refused("credit", WALLET_MAX + 2, WALLET_MAX - 2)
    assert book.transactions == []


def test_one_wallet_s_commands_leave_every_other_alone() -> None:
    book = Book({ORG: Wallet(ORG, paid=10), 8: Wallet(8, paid=10)})
    assert book.apply(Hold(ORG, 1, KEY, 10, 1, "flex")) == Held(10, 0)
    assert book.apply(Settle(8, 1, KEY, "flex", Status.COMPLETED, 5)) == Refused("no_hold")
    assert book.wallets[8] == Wallet(8, paid=10)
