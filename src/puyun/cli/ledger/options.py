"""What every act on money takes."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from puyun.ledger.command import Act

Id = Annotated[str | None, typer.Option("--id", help="Idempotency key: repeating the command changes nothing.")]
By = Annotated[str, typer.Option("--by", envvar="USER", help="Who does it; USER by default.")]
Why = Annotated[str, typer.Option("--why", help="Why; kept with the posting.")]

NOBODY = "cli"
"""Who did it where no USER is known."""


def act(key: str | None, kind: str, *, by: str, why: str) -> "Act":
    """The act's key is the one given, or one that no other has."""
    from puyun.ledger.command import Act
    from puyun.system.entropy import reference

    return Act(key or reference(kind), by, why)
