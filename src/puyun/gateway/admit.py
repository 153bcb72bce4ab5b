"""Who calls, what they ask for, whether it is sold to them, and what to hold for it. No await in here."""

import re
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

import msgspec

from puyun.catalog.model import Kind, Tier
from puyun.catalog.snapshot import Key, SoldModel
from puyun.claim import DEFAULT_PRIORITY
from puyun.gateway.front import Exchange
from puyun.identity.keys import fingerprint
from puyun.kit.clock import SECOND, Instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import format_amount
from puyun.ledger.budget import Period
from puyun.ledger.command import Reason, Refused
from puyun.metering.bound import Facts
from puyun.metering.experience import Experience
from puyun.metering.media.attachment import attachments_of
from puyun.metering.ratio import script_of
from puyun.pricing.pricebook import Rates
from puyun.pricing.quote import ceiling
from puyun.protocol.openai import (
    Body,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Request,
    asked_tier,
    decode_request,
)
from puyun.scheduler.rules import DEFAULTS
from puyun.storage.snapshots import Snapshot

Headers = list[tuple[bytes, bytes]]


class Admission(msgspec.Struct, frozen=True):
    """A call that may be made, if the wallet agrees. `amount` (nano-units) is what to hold for it.

    `input_held` and `output_held` are the tokens that the hold covers, the latter for all answers asked for.
    """

    key: Key
    sold: SoldModel
    request: Request
    fields: Body
    tier: Tier
    rates: Rates
    amount: int
    input_held: int
    output_held: int
    facts: Facts
    max_wait: int
    """Microseconds it may wait for a seat: the tier's, or less if the caller said so."""
    priority: int
    """0 (first) to 9 among the calls of its key."""
    address: str
    """The client's network address, as far as a proxy that is trusted says so; empty for a Unix socket."""


class Credentials(msgspec.Struct):
    """What a request's headers say about who calls, and how."""

    secret: bytes | None = None
    tier: str | None = None
    forwarded: str | None = None
    max_wait: str | None = None
    priority: str | None = None


def admit(
    exchange: Exchange,
    keys: dict[bytes, Key],
    snapshot: Snapshot,
    now: Instant,
    proxies: tuple[IPv4Network | IPv6Network, ...],
    *,
    experience: Experience,
) -> Admission:
    """Everything that can be decided from memory. Raises PuyunError for every row of DESIGN 4.2 up to the hold."""
    given = credentials_of(exchange.headers)
    key = identify(given, keys, now)
    address = address_of(exchange.peer, given.forwarded, proxies)
    if key.networks:
        check_address(key, address)
    request, fields = decode_request(exchange.endpoint, exchange.body)
    sold = snapshot.sold.get(request.model)
    if sold is None or (key.models and request.model not in key.models):
        raise _not_found(request.model)
    if exchange.endpoint.kind is not sold.model.kind:
        raise _wrong_kind(request.model, sold.model.kind)
    tier = asked_tier(request, given.tier) or key.tier
    if tier not in key.tiers:
        allowed = ", ".join(sorted(key.tiers))
        text = f"The tier {tier.value} is not open to your organization; it has: {allowed}."
        raise PuyunError("tier_not_allowed", 403, text, param="service_tier")
    rates = snapshot.rates(request.model, tier, now)
    if rates is None or not _priced(request, rates):
        text = f"The model {request.model} is not sold at the tier {tier.value}; see /api/prices for what is."
        raise PuyunError("offer_not_available", 403, text, param="model")
    facts = _facts(exchange, request, key, sold)
    inputs, outputs = experience.first_hold(facts)
    amount = ceiling(rates, inputs, outputs)
    wait, priority = _patience(given, tier), _priority(given)
    return Admission(key, sold, request, fields, tier, rates, amount, inputs, outputs, facts, wait, priority, address)


_SECONDS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")


def _patience(given: Credentials, tier: Tier) -> int:
    """Microseconds to wait for a seat at most. Raises PuyunError 400."""
    most = DEFAULTS.of(tier).max_wait
    if given.max_wait is None:
        return most
    if not _SECONDS.fullmatch(given.max_wait):
        text = "X-Max-Wait is the number of seconds that the call may wait for a seat, such as 5 or 0.5; 0: not at all."
        raise PuyunError("invalid_request_error", 400, text, param="x-max-wait")
    return min(int(float(given.max_wait) * SECOND), most)


def _priority(given: Credentials) -> int:
    """Raises PuyunError 400."""
    if given.priority is None:
        return DEFAULT_PRIORITY
    if len(given.priority) != 1 or given.priority not in "0123456789":
        text = "X-Priority is a digit, 0 (first) to 9 (last); it orders the waiting calls of this key."
        raise PuyunError("invalid_request_error", 400, text, param="x-priority")
    return int(given.priority)


def identify(given: Credentials, keys: dict[bytes, Key], now: Instant) -> Key:
    """The key that is used. Raises PuyunError 401, one answer for unknown, revoked and expired keys."""
    if given.secret is None:
        text = "No API key was sent. Send it as `Authorization: Bearer sk-puyun-…` or in `x-api-key`."
        raise PuyunError("invalid_api_key", 401, text)
    key = keys.get(_fingerprint(given.secret))
    if key is None or not key.active or (key.expires_at is not None and now >= key.expires_at):
        text = "The API key is unknown, revoked or expired. Check it, or create one in the portal under Keys."
        raise PuyunError("invalid_api_key", 401, text)
    return key


@lru_cache(maxsize=4096)
def _fingerprint(secret: bytes) -> bytes:
    """Remembered for the keys in use; whether such a key may be used is looked up for every call."""
    return fingerprint(secret.decode("latin-1"))


def address_of(peer: str, forwarded: str | None, proxies: tuple[IPv4Network | IPv6Network, ...]) -> str:
    """Who calls: the other end of the socket, or whom it names last in `X-Forwarded-For` if it is a proxy of ours. Empty
    where that is nobody: a Unix socket, or a proxy that names no address.
    """
    if not (forwarded and proxies and peer):
        return peer
    if not any(ip_address(peer) in network for network in proxies):
        return peer
    named = forwarded.rpartition(",")[2].strip()
    try:
        return str(ip_address(named))
    except ValueError:
        return ""


def check_address(key: Key, address: str) -> None:
    """For a key that is bound to networks. Raises PuyunError 403 when the caller is in none of them."""
    if not address or not any(ip_address(address) in network for network in key.networks):
        text = (
            f"This key may not be used from {address or 'an unknown address'}. "
            "Call from an allowed network, or change the key in the portal."
        )
        raise PuyunError("ip_not_allowed", 403, text)


CREDIT = "insufficient_credit"


def credit_ended() -> PuyunError:
    """What the customer hears when an answer ended where its wallet did."""
    text = "The answer ends here because the credit does; what was sent is charged. Top up to get longer answers."
    return PuyunError(CREDIT, 402, text, headers=NO_RETRY)


def refusal(refused: Refused) -> PuyunError:
    """What the customer hears when the ledger says no."""
    if refused.reason is Reason.FROZEN:
        return PuyunError(CREDIT, 402, "The wallet is frozen; please contact support.", headers=NO_RETRY)
    needed, available = format_amount(refused.needed), format_amount(refused.available)
    details = {"needed": needed, "available": available, "guard": refused.reason.value}
    what, remedy = "the wallet", "Top up"
    if refused.subject is not None and refused.period is not None:
        what, remedy = f"the {refused.subject.name.lower()}'s {_PERIODS[refused.period]}budget", "Raise the budget"
        details |= {"subject": refused.subject.name.lower(), "period": refused.period.name.lower()}
    text = (
        f"This call may cost up to {needed}, and {what} has {available} available. "
        f"{remedy}, lower max_tokens, or wait until running calls have ended."
    )
    return PuyunError(CREDIT, 402, text, details=details, headers=NO_RETRY)


NO_RETRY = {"x-should-retry": "false"}

_PERIODS = {Period.DAY: "daily ", Period.MONTH: "monthly ", Period.TOTAL: ""}


def credentials_of(headers: Headers) -> Credentials:
    """The secret, the tier asked for by header, and who a proxy says is calling.

    Raises PuyunError 401 for two keys that differ: whoever pays must not depend on which header is read first.
    """
    given = Credentials()
    for name, value in headers:
        if name == b"authorization":
            scheme, _, secret = value.partition(b" ")
            if scheme.lower() == b"bearer":
                given.secret = _agreed(given.secret, secret.strip())
        elif name == b"x-api-key":
            given.secret = _agreed(given.secret, value.strip())
        elif name == b"x-service-tier":
            given.tier = value.decode("latin-1").strip().lower()
        elif name == b"x-forwarded-for":
            given.forwarded = value.decode("latin-1")
        elif name == b"x-max-wait":
            given.max_wait = value.decode("latin-1").strip()
        elif name == b"x-priority":
            given.priority = value.decode("latin-1").strip()
    return given


def _agreed(before: bytes | None, found: bytes) -> bytes:
    if before and found and before != found:
        text = "Two different API keys were sent. Send one, as `Authorization: Bearer sk-puyun-…` or in `x-api-key`."
        raise PuyunError("invalid_api_key", 401, text)
    return before or found


def _priced(request: Request, rates: Rates) -> bool:
    """I17: every meter the request can use has a price."""
    if "input" not in rates.by_meter:
        return False
    if isinstance(request, EmbeddingRequest):
        return True
    speaks = isinstance(request, ChatRequest) and "audio" in (request.modalities or ())
    return "output" in rates.by_meter and (not speaks or "audio_output" in rates.by_meter)


def _facts(exchange: Exchange, request: Request, key: Key, sold: SoldModel) -> Facts:
    body = exchange.body
    text, attachments = attachments_of(body)
    most, ends = _most(request, sold)
    return Facts(
        key=key.id,
        model=sold.model.name,
        text=text,
        script=script_of(body),
        most=most,
        ends=ends,
        messages=len(request.messages) if isinstance(request, ChatRequest) else 1,
        attachments=attachments,
        answers=_answers(request),
        grows=bool(request.stream) and exchange.endpoint.streams,
    )


def _answers(request: Request) -> int:
    """How many answers the provider writes for one request."""
    if isinstance(request, EmbeddingRequest):
        return 1
    answers = request.n or 1
    if isinstance(request, CompletionRequest):
        answers = max(answers, request.best_of or 1) * _prompts(bytes(request.prompt))
    return answers


_entries = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _prompts(prompt: bytes) -> int:
    """A list of texts, or of lists of token numbers, is so many prompts; a text or one list of numbers is one."""
    if not prompt.startswith(b"["):
        return 1
    return sum(bytes(entry).startswith((b'"', b"[")) for entry in _entries(prompt)) or 1


def _most(request: Request, sold: SoldModel) -> tuple[int, bool]:
    """The most output tokens that one answer may have, and whether the caller said so."""
    if isinstance(request, EmbeddingRequest):
        return 0, True
    asked = request.max_completion_tokens or request.max_tokens
    longest = sold.model.max_output or sold.model.context_length
    if asked is None:
        return longest, False
    return (min(asked, longest) if sold.model.max_output else asked), True


def affordable_output(admission: Admission, available: int) -> int | None:
    """The `max_tokens` to send where the wallet could not pay for the longest answers that may come: what is held, and
    what else is there, shared among them. None leaves it as it was asked.
    """
    price = admission.rates.dearest_output
    if not price:
        return None
    facts = admission.facts
    affordable = (admission.output_held + available * 1000 // price) // facts.answers
    return affordable if affordable < facts.most else None


def _not_found(model: str) -> PuyunError:
    text = f"There is no model {model[:100]!r} for this key. GET /v1/models lists those there are."
    return PuyunError("model_not_found", 404, text, param="model")


_PATHS = {Kind.CHAT: "/v1/chat/completions", Kind.EMBEDDING: "/v1/embeddings"}


def _wrong_kind(model: str, kind: Kind) -> PuyunError:
    place = f"; call {_PATHS[kind]}" if kind in _PATHS else ""
    text = f"The model {model} is of the kind {kind.value}{place}."
    return PuyunError("invalid_request_error", 400, text, param="model")
