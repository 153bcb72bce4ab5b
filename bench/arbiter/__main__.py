"""`python -m bench.arbiter`: prints the figures; exits with 1 if a seat or a limit was ever given twice."""

import argparse
import sys
import time
from io import TextIOWrapper

from bench.arbiter.cost import UNLIMITED, Socket, here, quantile
from bench.arbiter.hammer import SEATS, Plan, hammer
from bench.machine import describe


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.arbiter", description=__doc__)
    parser.add_argument("--decisions", type=int, default=1_000_000, help="of the run with kills (1,000,000)")
    parser.add_argument("--workers", type=int, default=8, help="of the runs with kills and at a fixed rate (8)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each other run (5)")
    chosen = parser.parse_args()
    assert isinstance(sys.stdout, TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=True)
    print(describe())
    print(f"here, the limits of every tier: {here(100_000) * 1e6:.1f} µs of CPU for a decision")
    print(f"here, no limits:                {here(100_000, UNLIMITED) * 1e6:.1f} µs")
    for workers in (1, 2):
        over = Socket(workers, chosen.seconds).run()
        print(
            f"socket, {workers} workers in a hurry: {over.rate:,.0f} decisions/s, CPU for each: worker "
            f"{over.worker_cpu * 1e6:.1f} µs (with its own loop), arbiter {over.arbiter_cpu * 1e6:.1f} µs "
            f"= {1 / over.arbiter_cpu:,.0f} a second and core"
        )
    paced = Socket(chosen.workers, chosen.seconds, pace=2000.0).run()
    waits = [f"p{mille / 10:g} {quantile(paced.waits, mille) * 1e3:.2f} ms" for mille in (500, 900, 990, 999)]
    print(f"socket, {chosen.workers} workers, {paced.rate:,.0f} decisions/s: acquire {', '.join(waits)}")
    return _hammer(Plan(chosen.decisions, chosen.workers)) if chosen.decisions else 0


def _hammer(plan: Plan) -> int:
    began = time.monotonic()
    tally = hammer(plan)
    took = time.monotonic() - began
    print(
        f"kills: {tally.decisions:,} decisions of {plan.workers} workers in {took:.0f} s, {tally.refusals:,} refusals, "
        f"{tally.away:,} turned away without an arbiter; a worker was killed every {plan.worker_kill} s, the arbiter every "
        f"{plan.arbiter_kill} s"
    )
    print(f"seats: {tally.violations} over-admissions; most at once {tally.most} of {SEATS}")
    allowed = plan.most(tally.span)
    print(f"limit: {tally.limited:,} let in within {tally.span:.1f} s, at most {allowed:,.1f} may be")
    return int(tally.violations > 0 or tally.limited > allowed)


if __name__ == "__main__":
    sys.exit(main())
