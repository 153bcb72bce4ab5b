"""`python -m soak --kills 200 --servers 4 --engine sqlite`: exit code 1 when anything was lost, doubled or leaked."""

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from stage.site import Site
from stage.upstream import MockUpstream

from bench.postgres import Postgres
from soak.killing import Plan, Soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak SOAK=…", description=__doc__)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--kills", type=int, default=200, help="stop after so many")
    parser.add_argument("--seconds", type=float, default=3600, help="or after so long")
    parser.add_argument("--servers", type=int, default=4, help="most servers at once on the one database")
    parser.add_argument("--callers", type=int, default=6, help="calls at once")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    spared = 25.0 if given.engine == "postgresql" else 0.0
    plan = Plan(given.kills, given.seconds, given.servers, given.callers, given.seed, spared)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        url = ""
        if given.engine == "postgresql":
            url = stack.enter_context(Postgres()).create("soak")
        mock = MockUpstream(folder)
        stack.callback(mock.child.stop)
        site = Site.found(folder, mock, url)
        stack.callback(site.stop)
        summary = Soak(site, plan).run()
    json.dump({"engine": given.engine} | summary.described(), sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 1 if summary.faults else 0


if __name__ == "__main__":
    sys.exit(main())
