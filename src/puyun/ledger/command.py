"""What the ledger is asked to do, and what it answers. All amounts in nano-units."""

from enum import StrEnum

import msgspec

from puyun.ledger.budget import Period, Subject
from puyun.ledger.chart import Entry
from puyun.ledger.hold import Status
from puyun.ledger.posting import Line


class Hold(msgspec.Struct, frozen=True):
    """Reserve `amount` for a call before anything is sent upstream. `model` and `tier` are what a crash record says."""

    org: int
    call: int
    key: int
    amount: int
    model: int
    tier: str
    member: int = 0
    """Whose budget it counts against, beside the key's and the organization's; 0: nobody's."""


class Grow(msgspec.Struct, frozen=True):
    """Raise the hold of a running call by `amount`."""

    org: int
    call: int
    key: int
    amount: int
    member: int = 0


class Settle(msgspec.Struct, frozen=True):
    """End a hold. `rated` is what usage times prices came to; what is taken may be less (I10), never more."""

    org: int
    call: int
    key: int
    tier: str
    status: Status
    rated: int
    member: int = 0


class Reserve(msgspec.Struct, frozen=True):
    """Put `amount` aside for a payout that is on its way, or give it back (below zero). Nothing has moved: no posting."""

    org: int
    amount: int


class Post(msgspec.Struct, frozen=True):
    """Money in or out other than by a call: a top-up, a bonus, an adjustment. `ref` is its idempotency key.

    `released` of what was put aside is given back in the same step; `by` is who did it, `note` why.
    """

    org: int
    entry: Entry
    lines: tuple[Line, ...]
    ref: str
    note: str = ""
    by: str = ""
    released: int = 0


class Act(msgspec.Struct, frozen=True):
    """The idempotency key of an act, who does it, and why; all three stay with its posting."""

    ref: str
    by: str = ""
    why: str = ""


class Reason(StrEnum):
    """Why the ledger said no. From `AMOUNT` on: why a template made no posting (docs/concepts/ledger.md)."""

    CREDIT = "credit"
    BUDGET = "budget"
    FROZEN = "frozen"
    NO_WALLET = "no_wallet"
    NO_HOLD = "no_hold"
    FINISHED = "finished"
    LIMIT = "limit"
    AMOUNT = "amount"
    WHY = "why"
    NOTHING = "nothing"
    CHARGED = "charged"
    PAID_IN = "paid_in"
    OWED = "owed"
    ENDED = "ended"
    USED = "used"
    EXPIRED = "expired"
    CURRENCY = "currency"
    SECOND_PERSON = "second_person"


class Held(msgspec.Struct, frozen=True):
    """The hold stands; `available` is what the wallet can still promise."""

    amount: int
    available: int


class Refused(msgspec.Struct, frozen=True):
    """Nothing changed. `needed` and `available` are in nano-units where money was the reason; `subject` and `period`
    say whose budget it was.
    """

    reason: Reason
    needed: int = 0
    available: int = 0
    subject: Subject | None = None
    period: Period | None = None


class Settled(msgspec.Struct, frozen=True):
    """The hold ended. `charge` was taken, `from_bonus` of it out of bonus; `balance` is paid + bonus afterwards.

    `transaction` is the number of the wallet's transaction, 0 where nothing was charged.
    """

    charge: int
    from_bonus: int
    balance: int
    transaction: int


class Posted(msgspec.Struct, frozen=True):
    """The transaction's number and paid + bonus afterwards."""

    transaction: int
    balance: int


Command = Hold | Grow | Settle | Post | Reserve
Outcome = Held | Refused | Settled | Posted
