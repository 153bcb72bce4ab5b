"""What the filters of the Usage page can be set to, and which numbers a choice stands for."""

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection

from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id
from puyun.portal.usage.query import NOBODY, UsageQuery
from puyun.storage.identity import list_keys, list_members
from puyun.storage.reports.calls import called_models
from puyun.storage.usage import Grouping, Only

SHOWN_MAX = 200
"""Keys and members to choose from, the newest; any other can be named in the address."""


class Choice(msgspec.Struct, frozen=True):
    """`id` as it stands in an address."""

    id: str
    number: int
    name: str


class Choices(msgspec.Struct, frozen=True):
    """All of an organization's own; `members` is empty for who may not see them."""

    groupings: Collection[Grouping]
    models: list[str]
    keys: list[Choice]
    members: list[Choice]

    def only(self, query: UsageQuery) -> Only:
        """Raises PuyunError `key_not_found` or `member_not_found` (404), also for another organization's."""
        return Only(
            model=query.model or None,
            key=_number(self.keys, query.key, "key"),
            tier=query.tier,
            member=0 if query.member == NOBODY else _number(self.members, query.member, "member"),
        )

    def shown_keys(self, chosen: str) -> list[Choice]:
        return _shown(self.keys, chosen)

    def shown_members(self, chosen: str) -> list[Choice]:
        return _shown(self.members, chosen)


def choices_of(connection: Connection, org: int, query: UsageQuery, groupings: Collection[Grouping]) -> Choices:
    models = called_models(connection, org, query.period.start, query.period.end)
    keys = [
        Choice(format_id("key", key.id), key.id, key.name or f"{key.prefix}…") for key in list_keys(connection, org)
    ]
    members: list[Choice] = []
    if Grouping.MEMBER in groupings:
        members = [Choice(format_id("user", user.id), user.id, user.email) for user, _ in list_members(connection, org)]
    return Choices(
        groupings, models if not query.model or query.model in models else [query.model, *models], keys, members
    )


def _number(choices: list[Choice], chosen: str, what: str) -> int | None:
    if not chosen:
        return None
    found = next((each.number for each in choices if each.id == chosen), None)
    if found is None:
        raise PuyunError(f"{what}_not_found", 404, f"This organization has no such {what}. Choose another one.")
    return found


def _shown(choices: list[Choice], chosen: str) -> list[Choice]:
    return [*(each for each in choices[:-SHOWN_MAX] if each.id == chosen), *choices[-SHOWN_MAX:]]
