"""The log of a webhook: its deliveries by state, page by page."""

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec
from sqlalchemy import Engine

from puyun.kit.ids import format_id
from puyun.portal.member import Member
from puyun.storage.engine import reading
from puyun.storage.webhooks.deliveries import MESSAGE, Delivery, State, Wanted, delivery_number, page_of_deliveries
from puyun.storage.webhooks.webhooks import PREFIX, Webhook


class Row(msgspec.Struct, frozen=True):
    """A delivery, and what its replay is posted to."""

    id: str
    delivery: Delivery
    replay: str


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """`status`: what it is narrowed to, empty for everything. `older`: address of the next page, empty at the end."""

    rows: list[Row]
    status: str
    states: tuple[str, ...]
    filters: dict[str, str]
    older: str


def log_of(engine: Engine, member: Member, hook: Webhook, asked: Mapping[str, str]) -> Log:
    """Anything that is no filter of ours narrows nothing."""
    place = f"/portal/settings/webhooks/{format_id(PREFIX, hook.id)}"
    org = {"org": member.org_id} if member.others else {}
    status = asked.get("status", "")
    status = status if status in set(State) else ""
    before = delivery_number(asked.get("before", ""))
    wanted = Wanted(webhook=hook.id, status=State(status) if status else None, before=before)
    with reading(engine) as connection:
        found, after = page_of_deliveries(connection, hook.org, wanted)

    def address(**more: str) -> str:
        query = urlencode({name: value for name, value in (more | org).items() if value})
        return f"{place}{'?' if query else ''}{query}#log"

    rows = [
        Row(name, each, f"{place}/deliveries/{name}/replay{member.query}")
        for each in found
        for name in [format_id(MESSAGE, each.id)]
    ]
    return Log(
        rows=rows,
        status=status,
        states=tuple(State),
        filters={each: address(status=each) for each in ("", *State)},
        older="" if after is None else address(status=status, before=format_id(MESSAGE, after)),
    )
