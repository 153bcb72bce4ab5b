"""puyun seal: hashes of what is closed."""

from puyun.cli import opening, output
from puyun.cli.opening import Config, Data, Json

SHOWN = 10
CHUNK = 4000


def seal(*, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Seal the hours that are closed, and print the newest seals.

    A seal is a hash of journal and usage records and of the seal before it; a running server makes one every hour.
    Keep a copy of the newest elsewhere: with it, `puyun audit` proves that nothing before it was changed.
    """
    from puyun.kit.clock import format_instant
    from puyun.storage.engine import reading, writing
    from puyun.storage.money.seals import add_seal, draft_seal, list_seals
    from puyun.system.clock import SystemClock

    with opening.database(data, config) as engine:
        with reading(engine) as connection:
            draft = draft_seal(connection, SystemClock().now(), CHUNK)
        if draft is not None:
            with writing(engine) as connection:
                add_seal(connection, draft)
        with reading(engine) as connection:
            rows = [
                {
                    "seal": row.id,
                    "until": format_instant(row.upto),
                    "hash": row.hash.hex(),
                    "sealed": format_instant(row.sealed_at),
                }
                for row in list_seals(connection, SHOWN)
            ]
    output.emit(rows, {name: name for name in ("seal", "until", "hash", "sealed")}, as_json=as_json)
