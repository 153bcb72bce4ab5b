"""How a command fails: three lines (what, why, what to do) on stderr, and an exit code that a script can rely on."""

import re
from enum import IntEnum

from puyun.kit.errors import Blame, PuyunError


class Exit(IntEnum):
    DONE = 0
    REFUSED = 1
    USAGE = 2
    NOT_FOUND = 3
    FAULTS = 6
    BUG = 70
    INTERRUPTED = 130


class Failure(Exception):  # noqa: N818 - what a command ends with, not an error of the program
    """A command ends here. `what` and `why` are sentences, `do` says what to try next."""

    def __init__(self, what: str, why: str, do: str, exit_code: Exit = Exit.REFUSED) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.do = do
        self.exit_code = exit_code

    def lines(self) -> str:
        return f"Error: {self.what}\nWhy:   {self.why}\nDo:    {self.do}"


def not_found(kind: str, name: str, do: str) -> Failure:
    return Failure(f"There is no {kind} {name!r}.", "Names are matched exactly; ids are too.", do, Exit.NOT_FOUND)


def usage(what: str, expected: str) -> Failure:
    return Failure(what, f"Expected {expected}.", "Run the command again with --help to see its options.", Exit.USAGE)


def of_error(error: PuyunError) -> Failure:
    """The same failure as a domain states it, with the rule and the next step in words where we have them."""
    what, _, rest = error.message.partition(". ") if error.code not in _WHOLE else (error.message, "", "")
    why, do = _ADVICE.get(error.code, (f"It breaks the rule {error.code}.", "See the command's --help."))
    return Failure(_sentence(what), why, _sentence(rest) if rest else do, _exit_code(error))


def _sentence(text: str) -> str:
    return re.sub(r"[.\s]*$", "", text) + "."


def _exit_code(error: PuyunError) -> Exit:
    if error.status == 404:
        return Exit.NOT_FOUND
    if error.status == 400 or error.code in _WHOLE:
        return Exit.USAGE
    return Exit.BUG if error.blame is Blame.US else Exit.REFUSED


_WHOLE = {"invalid_setting", "settings_unreadable"}

_ADVICE = {
    "invalid_setting": (
        "A wrong setting is never guessed about or ignored.",
        "Correct it; docs/reference/settings.md lists every setting.",
    ),
    "settings_unreadable": (
        "Settings are a TOML file, named by --config, PUYUN_CONFIG or ./puyun.toml.",
        "Correct the file or name another with --config.",
    ),
    "organization_exists": (
        "Names of organizations are unique, since commands take them in place of ids.",
        "Choose another name, or see the one there is: puyun org show NAME",
    ),
    "wish_not_found": ("Requests have the numbers that the list shows.", "puyun limits requests --all"),
    "wish_answered": ("A request is answered once.", "Change the limit itself: puyun limits set ORG"),
    "tier_not_allowed": ("A key may use only the tiers of its organization.", "puyun org set ORG --tiers test,flex"),
    "model_not_found": ("Only models of the catalogue can be named.", "See them: puyun catalog export"),
    "invalid_meter": ("A price belongs to a meter.", "See the prices there are: puyun price list"),
    "statement_disagrees": ("What a statement says is derived twice, and must come out the same.", "puyun audit"),
    "provider_not_found": ("A bill belongs to a provider of the catalogue.", "See them: puyun catalog export"),
    "price_in_force": (
        "A price that is in force, or about to be, is replaced and never undone.",
        "puyun price set MODEL TIER METER AMOUNT",
    ),
    "already_revoked": ("An announcement is called off once.", "See it: puyun price history MODEL"),
    "credit_in_use": ("An available amount never goes below zero.", "Top up first: puyun topup ORG AMOUNT"),
    "reference_reused": (
        "An idempotency key names one posting, so that repeating a command never pays twice.",
        "Use another --id, or repeat the first command exactly.",
    ),
    "insufficient_credit": (
        "Held money and bonus stay where they are, and nothing goes below zero.",
        "See what there is: puyun balance ORG",
    ),
    "wallet_frozen": ("A disputed payment may have to go back.", "puyun chargeback list"),
    "reason_missing": ("An act on money can be explained later.", "Name --why, and --by where USER is not set."),
    "nothing_to_do": (
        "There is nothing to give back, to invoice or to cut off.",
        "See what there is: puyun balance ORG",
    ),
    "refund_above_charge": (
        "All refunds of a call come to at most its charge.",
        "See what was charged: puyun receipt show REQUEST_ID",
    ),
    "payout_above_payments": (
        "Money goes back the way it came, and no more of it than came.",
        "Name the processor that took the payment: --processor NAME",
    ),
    "invoice_above_debt": ("An invoice asks for what was used.", "Leave --amount away to ask for all that is owed."),
    "already_ended": ("It ends once.", "See how it ended with `list`."),
    "code_used": ("A code is used once.", "See it: puyun redeem list --used"),
    "code_expired": ("It was given until a date.", "puyun redeem create AMOUNT"),
    "currency_differs": ("A wallet has one currency.", "puyun redeem create AMOUNT --currency CODE"),
    "second_person_missing": ("A debt is forgiven by two persons.", "Name another person with --approved-by."),
    "limit_not_found": (
        "Limits end one by one: those of just this organization, model, tier and key.",
        "See them: puyun limits history ORG",
    ),
    "invalid_limit": ("A limit that means nothing is not kept.", "See the command's --help."),
    "limit_dates": ("A limit is in force from --from until --to.", "Name a later --to."),
    "wallet_limit": ("Sums must stay exact in 64 bits.", "Top up less."),
}
