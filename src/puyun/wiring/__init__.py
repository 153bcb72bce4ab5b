"""The composition root: settings in, running processes out. The only package that knows every part.

One worker is one process (`alone`). Several (`crew`) are forked by a supervisor from a parent that has prepared the
database; the first of them does what is done once for all.
"""

import socket

from puyun.config import Settings
from puyun.demo import Demonstration
from puyun.kit.errors import Blame, PuyunError
from puyun.storage import migrate
from puyun.storage.engine import open_engine
from puyun.supervisor import listening
from puyun.system.clock import SystemClock
from puyun.telemetry import log
from puyun.wiring import gateway
from puyun.wiring.alone import Alone
from puyun.wiring.crew import Crew


def serve(settings: Settings, *, demo: bool) -> None:
    """Run until a signal says stop. Raises PuyunError for a database, a data directory or an address that cannot be
    used, or when a worker could not start.
    """
    clock = SystemClock()
    log.set_up(clock)
    settings.data.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings.database_place)
    migrate.upgrade(engine)
    demonstration = Demonstration(settings, engine, clock, wanted=demo)
    demonstration.prepare()
    reserved = _reserve(settings)
    if settings.server.workers == 1:
        gateway.run(gateway.Gateway(settings, engine, clock, demonstration, Alone(reserved, demonstration)))
    else:
        engine.dispose()
        Crew(settings, clock, demonstration, reserved).run()


def _reserve(settings: Settings) -> list[socket.socket]:
    server = settings.server
    try:
        return listening.reserve(server.host, server.port)
    except OSError as error:
        text = f"{server.host}:{server.port} cannot be listened on: {error.strerror or error}. Set server.host, server.port."
        raise PuyunError("address_unusable", 500, text, blame=Blame.OPERATOR) from error
