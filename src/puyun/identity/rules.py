"""What a name, an address and a key's restrictions must look like. Each check raises PuyunError and changes nothing."""

from collections.abc import Collection, Iterator
from ipaddress import ip_network

from puyun.identity.model import KeySpec, Organization
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError

NAME_MAX = 100
EMAIL_MAX = 254


def clean_name(name: str) -> str:
    """A name without outer blanks; letters of any script, no control characters."""
    name = name.strip()
    if not 0 < len(name) <= NAME_MAX or not name.isprintable():
        raise PuyunError(
            "invalid_name", 400, f"A name has 1 to {NAME_MAX} printable characters; {name!r} does not.", param="name"
        )
    return name


def clean_email(email: str) -> str:
    """Lower case, so that one person is one user. Whether it reaches anybody only a message can tell."""
    email = email.strip().lower()
    local, at, domain = email.rpartition("@")
    clean = email.isprintable() and " " not in email
    if not (local and at and "." in domain.strip(".")) or len(email) > EMAIL_MAX or not clean:
        raise PuyunError(
            "invalid_email", 400, f"{email!r} is not an e-mail address such as ada@example.com.", param="email"
        )
    return email


def check_key(spec: KeySpec, organization: Organization, models: Collection[str], now: Instant) -> None:
    """A key that could never serve a call is a mistake of whoever asks for it, and is refused with the reason."""
    for fault in key_faults(spec, organization, models, now):
        raise fault


def key_faults(
    spec: KeySpec, organization: Organization, models: Collection[str], now: Instant
) -> Iterator[PuyunError]:
    """Everything that is wrong with a key to be, so that a form can say it all at once.

    `param` names the field; `details["value"]` is the one of several values that is meant.
    """
    if spec.tier not in organization.tiers:
        allowed = ", ".join(organization.tiers)
        message = f"{organization.name} may use {allowed}, not {spec.tier}. Add the tier to the organization first."
        yield PuyunError("tier_not_allowed", 403, message, param="tier")
    for model in spec.models:
        if model not in models:
            message = f"No model is called {model!r}. The catalogue lists the names."
            yield PuyunError("model_not_found", 404, message, param="models", details={"value": model})
    for address in spec.ips:
        try:
            ip_network(address)
        except ValueError as error:
            message = f"{address!r} is not an address or range such as 203.0.113.0/24: {error}."
            yield PuyunError("invalid_ip_range", 400, message, param="ips", details={"value": address})
    if spec.budget is not None and spec.budget <= 0:
        yield PuyunError("invalid_budget", 400, "A budget is more than zero; leave it out for none.", param="budget")
    if spec.expires_at is not None and spec.expires_at <= now:
        yield PuyunError("invalid_expiry", 400, "The key would expire before it exists.", param="expires")
    if len(spec.name) > NAME_MAX or not spec.name.isprintable():
        message = f"A key's name has at most {NAME_MAX} printable characters."
        yield PuyunError("invalid_name", 400, message, param="name")
