"""What goes in and out, as the OpenAPI document says it. Amounts are decimal strings, times ISO 8601 in UTC."""

from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from puyun.catalog.model import Tier
from puyun.identity.model import KeyState, OrganizationStatus, Role
from puyun.identity.rules import NAME_MAX
from puyun.identity.tokens import Scope
from puyun.ledger.chart import Entry
from puyun.ledger.hold import Status
from puyun.notices.address import URL_MAX
from puyun.notices.kinds import Kind
from puyun.storage.webhooks.deliveries import State as DeliveryState
from puyun.storage.webhooks.webhooks import Status as WebhookStatus

IPS_MAX = 50
MODELS_MAX = 500

Row = TypeVar("Row")

Amount = Annotated[str, Field(pattern=r"^-?\d+\.\d{2,}$", examples=["12.50"])]


class Fault(BaseModel):
    """What went wrong and what to do. `code` is stable; `param` names the field at fault."""

    message: str
    type: str
    param: str | None
    code: str
    request_id: str


class Refusal(BaseModel):
    """Every error."""

    error: Fault


class Page(BaseModel, Generic[Row]):
    """A part of a list. `next_cursor`: where the next part begins, null at the end; a part may be empty before the end."""

    data: list[Row]
    next_cursor: str | None


class TokenShape(BaseModel):
    """The token that was sent."""

    id: str
    name: str
    user: str
    role: Role
    organization: str
    scopes: list[Scope]
    created: str
    expires: str


class OrganizationShape(BaseModel):
    """An organization that the token opens."""

    id: str
    name: str
    role: Role
    tiers: list[Tier]
    status: OrganizationStatus
    created: str


class KeyShape(BaseModel):
    """A key without its secret. Empty `models` and `ips`: any. `budget`: for its whole life."""

    id: str
    prefix: str
    name: str
    tier: Tier
    state: KeyState
    models: list[str]
    ips: list[str]
    budget: Amount | None
    spent: Amount
    member: str | None = Field(description="Id of the user it belongs to; null: the organization.")
    created: str
    expires: str | None
    revoked: str | None


class KeyMade(KeyShape):
    """A new key with its secret, which is shown this once, and again for the same Idempotency-Key."""

    secret: str


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KeyAsked(_Asked):
    """A new key."""

    tier: Tier
    name: str = Field(default="", max_length=NAME_MAX)
    models: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        default=[], max_length=MODELS_MAX, description="Only these; none: every model, also those to come."
    )
    ips: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        default=[], max_length=IPS_MAX, description="Only from these addresses or ranges; none: from anywhere."
    )
    budget: str | None = Field(default=None, max_length=30, description="The most it may use in its whole life.")
    expires: datetime | None = None


class RotationAsked(_Asked):
    """How a key is rotated. `overlap`: how long the old one still works. Left out, `expires` is that of the old key."""

    overlap: Annotated[str, Field(pattern="^(now|1h|24h|7d)$")] = "24h"
    expires: datetime | None = None


class UsageShape(BaseModel):
    """Calls and tokens under one label; the same numbers as on the Usage page."""

    label: str
    requests: int
    failures: int
    tokens: dict[str, int]
    total_tokens: int
    cost: Amount


class UsageTable(BaseModel):
    """Whole hours, UTC, from that of `from` up to, without, `to` rounded up."""

    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")
    by: str
    currency: str
    data: list[UsageShape]
    total: UsageShape


class BalanceShape(BaseModel):
    """`available` is what new calls can be promised, `held` what open ones are."""

    currency: str
    balance: Amount
    paid: Amount
    bonus: Amount
    held: Amount
    available: Amount


class TransactionShape(BaseModel):
    """What moved the balance: an act by itself, or (`usage`) all calls of a day."""

    entry: Entry
    at: str
    amount: Amount
    ref: str


class StatementShape(BaseModel):
    """A month that has a statement; `sha256` once it is closed and nothing of it can change."""

    month: str
    closed: str | None
    sha256: str | None


class CallShape(BaseModel):
    """A call; its receipt is under its id."""

    id: str
    created: str
    model: str
    tier: Tier
    key: str
    status: Status
    tokens: dict[str, int]
    total_tokens: int
    charge: Amount
    refunded: Amount
    queue_ms: int
    total_ms: int


class LimitsTable(BaseModel):
    """What may be done at a tier and how much of it is used, model by model, as `GET /v1/limits` has it."""

    tier: Tier
    tiers: list[Tier]
    data: list[dict[str, object]]
    next_cursor: str | None


class WebhookShape(BaseModel):
    """A webhook without its secret. `failing_since`: nothing was taken since; `overlap_until`: two secrets sign."""

    id: str
    url: str
    kinds: list[Kind]
    status: WebhookStatus
    failing_since: str | None
    overlap_until: str | None
    created: str


class WebhookMade(WebhookShape):
    """With its new secret, which is shown this once, and again for the same Idempotency-Key."""

    secret: str


class WebhookGone(BaseModel):
    """A webhook that is no more."""

    id: str
    deleted: bool


class WebhookAsked(_Asked):
    """A new webhook."""

    url: str = Field(max_length=URL_MAX, description="Where it is; public, https.")
    kinds: list[Kind] = Field(default=[], max_length=len(Kind), description="Only these; none: every kind of today.")


class WebhookChange(_Asked):
    """What is to be otherwise."""

    url: str | None = Field(default=None, max_length=URL_MAX)
    kinds: list[Kind] | None = Field(default=None, min_length=1, max_length=len(Kind))
    paused: bool | None = None


class DeliveryShape(BaseModel):
    """An event on its way to a webhook; `took_ms`, `code`, `answer` and `error` are of the last try."""

    id: str
    webhook: str
    event: str | None = Field(description="Null for a test.")
    type: str
    body: str = Field(description="What is sent, to the byte.")
    status: DeliveryState
    tries: int
    next_try: str | None
    created: str
    tried: str | None
    took_ms: int | None
    code: int | None
    answer: str
    error: str


class EventShape(BaseModel):
    """Something that happened; `data` is what its type says, as in a delivery."""

    id: str
    type: Kind
    version: int
    timestamp: str
    data: dict[str, object]
