"""What every act on money takes."""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening
from puyun.cli.opening import Config, Data

if TYPE_CHECKING:
    from puyun.ledger.command import Act

Id = Annotated[str | None, typer.Option("--id", help="Idempotency key: repeating the command changes nothing.")]
By = Annotated[str, typer.Option("--by", envvar="USER", help="Who does it; USER by default.")]
Why = Annotated[str, typer.Option("--why", help="Why; kept with the posting.")]

ApprovedBy = Annotated[
    str, typer.Option("--approved-by", help="The second person, needed above money.second_person_above.")
]

NOBODY = "cli"
"""Who did it where no USER is known."""


def agreed(given: "Act", amount: int, approved_by: str, data: Data, config: Config) -> "Act":
    """The act with who approved it. Raises PuyunError `second_person_missing` (409)."""
    from puyun.kit.money import NANO
    from puyun.ledger.acts.grant import agreed as approve
    from puyun.ledger.command import Refused
    from puyun.storage.money.posting import refusal

    above = opening.settings(data, config).money.second_person_above * NANO
    found = approve(amount, given, approved_by, above)
    if isinstance(found, Refused):
        raise refusal(found)
    return found


def act(key: str | None, kind: str, *, by: str, why: str) -> "Act":
    """The act's key is the one given, or one that no other has."""
    from puyun.ledger.command import Act
    from puyun.system.entropy import reference

    return Act(key or reference(kind), by, why)
