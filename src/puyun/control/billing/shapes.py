"""What goes in and out about papers, billing details, rules and budgets, as the OpenAPI document says it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from puyun.control.shapes import Amount

AMOUNT_MAX = 30


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class InvoiceShape(BaseModel):
    """An invoice; `sha256` is that of its canonical document."""

    number: str
    issued: str
    reference: str
    currency: str
    total: Amount
    sha256: str


class InvoiceAsked(_Asked):
    """The `ref` of a transaction, as `GET /transactions` has it."""

    ref: str = Field(min_length=1, max_length=200)


class DetailsShape(BaseModel):
    """`address`: lines with a line feed between them."""

    name: str
    address: str
    tax_id: str
    email: str
    changed: str
    changed_by: str


class DetailsAsked(_Asked):
    """All of it: what is left out is empty from then on."""

    name: str = Field(max_length=1000)
    address: str = Field(max_length=2000)
    tax_id: str = Field(default="", max_length=1000)
    email: str = Field(default="", max_length=1000)


class RuleShape(BaseModel):
    """When less than `below` is available, top up by `amount`, at most `month_max` a month. `waits`: nothing carries it out."""

    below: Amount
    amount: Amount
    month_max: Amount
    waits: bool
    changed: str
    changed_by: str


class RuleAsked(_Asked):
    """Amounts as decimal strings."""

    below: str = Field(max_length=AMOUNT_MAX)
    amount: str = Field(max_length=AMOUNT_MAX)
    month_max: str = Field(max_length=AMOUNT_MAX)


class RuleGone(BaseModel):
    """There is no rule any more."""

    ended: bool


class BudgetShape(BaseModel):
    """A budget in force, with what its current period has spent and holds. `of`: the organization, a key or a user."""

    id: int
    of: str
    period: Literal["day", "month", "total"]
    hard: bool
    amount: Amount
    spent: Amount
    held: Amount
    available: Amount


class BudgetAsked(_Asked):
    """One of the same period and kind changes its amount; what was spent stays."""

    amount: str = Field(max_length=AMOUNT_MAX)
    period: Literal["day", "month", "total"]
    hard: bool = True


class BudgetGone(BaseModel):
    """The budget guards nothing any more."""

    id: int
