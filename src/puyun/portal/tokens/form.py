"""What is typed into the form of a new access token, and what is wrong with it. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from puyun.identity.model import Role
from puyun.identity.tokens import Scope, TokenSpec, check_token
from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError
from puyun.portal.keys.form import Fault, Faults

LIFETIMES = {"7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY, "365d": 365 * DAY}
"""How long a token may last, by the name that the form has for it."""

USUAL_LIFETIME = "90d"

_TEXT_MAX = 200


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """The fields as they were typed, so that a refused form comes back as it was sent."""

    name: str = ""
    scopes: tuple[str, ...] = ()
    lifetime: str = USUAL_LIFETIME


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A form to show. `once` names it, so that it makes one token at most."""

    filled: Filled
    once: str
    faults: Faults = {}
    status: int = 200


def read(form: Mapping[str, Sequence[str]]) -> Filled:
    """From a post; too long text is cut, as the page's own fields cut it."""

    def text(field: str) -> str:
        return form[field][-1][:_TEXT_MAX].strip() if form.get(field) else ""

    return Filled(name=text("name"), scopes=tuple(dict.fromkeys(form.get("scope", ()))), lifetime=text("lifetime"))


def parse(filled: Filled, role: Role, now: Instant) -> TokenSpec | Faults:
    """The token that is asked for, or what is wrong with it, by field."""
    faults: Faults = {}
    known = set(Scope)
    scopes = tuple(Scope(scope) for scope in filled.scopes if scope in known)
    if not scopes or len(scopes) != len(filled.scopes):
        faults["scopes"] = Fault("none_chosen")
    if filled.lifetime not in LIFETIMES:
        faults["lifetime"] = Fault("none_chosen")
    lasts = LIFETIMES.get(filled.lifetime, LIFETIMES[USUAL_LIFETIME])
    spec = TokenSpec(name=filled.name, scopes=scopes or tuple(Scope)[:1], expires_at=Instant(now + lasts))
    try:
        spec = check_token(spec, role, now)
    except PuyunError as error:
        faults.setdefault(error.param or "", Fault(error.code))
    return {field: faults[field] for field in ("name", "scopes", "lifetime", "") if field in faults} or spec
