"""`python -m bench`: the whole table, or (`load`) one column under load for as long as a profiler needs."""

import argparse
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import msgspec

from bench.columns import COLUMNS, Column
from bench.columns.column import ROOT
from bench.machine import cores, describe
from bench.measure import Cores, failures, measure
from bench.native import build, mock_upstream
from bench.process import last_words
from bench.run import Outcome, run_rows, run_starts, stand_up, working_directory
from bench.scenarios import Options, Row, load_rows
from bench.table import bottleneck, budgets, console, results
from bench.targets import verdicts

RESULTS = ROOT / "bench" / "results"
START = "start"


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["run", "load"], default="run")
    parser.add_argument("--rows", metavar="A,B", help="plain, burst, paced, latency, crowd, start (all)")
    parser.add_argument("--columns", metavar="A,B", help=f"{', '.join(COLUMNS)} (all that are installed)")
    parser.add_argument("--rounds", type=int, choices=range(1, 21), default=3, metavar="N", help="1 to 20 (3)")
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S", help="length of one measure, up to 300 (3)")
    parser.add_argument(
        "--quick", action="store_true", help="one short round, without the crowd: figures to look at, not to keep"
    )
    parser.add_argument("--no-save", action="store_true", help="write no file into bench/results")
    chosen = parser.parse_args(words)
    if not 0.1 <= chosen.seconds <= 300:
        parser.error("--seconds: expected 0.1 to 300")
    return chosen


def choose(text: str | None, known: Sequence[str]) -> list[str]:
    """Raises SystemExit with the names that exist."""
    chosen = text.split(",") if text else list(known)
    if unknown := [name for name in chosen if name not in known]:
        raise SystemExit(f"bench: unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    return [name for name in known if name in chosen]


def installed(text: str | None) -> list[Column]:
    chosen = [COLUMNS[name] for name in choose(text, list(COLUMNS))]
    if missing := [column.name for column in chosen if not column.available()]:
        if text:
            raise SystemExit(f"bench: not installed: {', '.join(missing)} (peers: make bench-peers)")
        print(f"left out, not installed: {', '.join(missing)}", file=sys.stderr)
    return [column for column in chosen if column.available()]


def save(outcome: Outcome, options: Options, columns: Sequence[Column]) -> Path:
    machine = describe()
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{str(machine['when'])[:10]}-{str(machine['commit']).rstrip('+')}.json"
    verdict = {
        found.budget.what: {"measured": found.value, "limit": found.budget.limit, "kept": found.kept}
        for found in verdicts(outcome)
    }
    content = {
        "machine": machine,
        "options": options,
        "columns": {column.name: column.version() for column in columns},
        "budgets": verdict,
        "bytes_per_call": outcome.bytes_per_call,
        "faults": outcome.faults,
        "samples": outcome.samples,
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    return path


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def run(chosen: argparse.Namespace, place: Cores) -> int:
    options = (
        Options(1, min(chosen.seconds, 1.0), quick=True, patience=0)
        if chosen.quick
        else Options(chosen.rounds, chosen.seconds)
    )
    rows = list(load_rows(options))
    names = choose(chosen.rows, [*(row.name for row in rows), START])
    rows = [row for row in rows if row.name in names and not (chosen.quick and row.once)]
    columns = installed(chosen.columns)
    outcome = Outcome()
    with mock_upstream([f"{row.model}={row.behaviour}" for row in load_rows(options)], core=place.load) as mock:
        if START in names:
            outcome = run_starts(columns, mock, options, place, say)
        if rows:
            measured = run_rows(rows, columns, mock, options, place, say)
            measured.samples |= outcome.samples
            outcome = measured
    show(outcome, columns, rows)
    if not chosen.no_save and not chosen.quick:
        print(f"\nwritten: {save(outcome, options, columns).relative_to(ROOT)}")
    return 1 if outcome.faults else 0


def show(outcome: Outcome, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    screen, names = console(), [column.name for column in columns]
    screen.print(", ".join(f"{key} {value}" for key, value in describe().items()), style="dim", highlight=False)
    for column in columns:
        note = "; fewer calls at once, lower rates, one round" if column.gentle else ""
        screen.print(f"{column.name}: {column.version()}{note}", style="dim", highlight=False)
    titles = {row.name: row.title for row in rows} | {START: "start and rest"}
    for table in (results(outcome, names, titles), bottleneck(outcome, names, rows), budgets(verdicts(outcome))):
        if table.row_count:
            screen.print()
            screen.print(table)
    for fault in outcome.faults:
        screen.print(f"FAULT: {fault}", style="bold red", highlight=False)


def load(chosen: argparse.Namespace, place: Cores) -> int:
    """One row against one column for --seconds, and the process to look at while it lasts."""
    options = Options(1, chosen.seconds)
    [row, *more_rows] = [
        row
        for row in load_rows(options)
        if row.name in choose(chosen.rows or "plain", [row.name for row in load_rows(options)])
    ]
    [column, *more_columns] = installed(chosen.columns or "puyun")
    if more_rows or more_columns:
        raise SystemExit("bench load: one row and one column")
    with (
        mock_upstream([f"{row.model}={row.behaviour}"], core=place.load) as mock,
        working_directory() as directory,
        stand_up(column, directory, mock, [row], place) as stand,
    ):
        where = f"process {stand.pid}, port {stand.site.port}"
        print(f"{column.name}: {where}, under load for {chosen.seconds:g} s", flush=True)
        sample, report = measure(row, row.full, stand.target(row, mock, place))
        faults = failures(row, report)
        words = last_words(stand.site.log) if faults else ""
    for name, value in sample.items():
        print(f"{name:20} {value:,.2f}")
    for fault in faults:
        print(f"FAULT: {fault}\n{words}")
    return 1 if faults else 0


def leave(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM takes the same way out as Ctrl-C: everything that was started is stopped."""
    sys.exit(143)


def main() -> int:
    chosen = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, leave)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    place = cores()
    os.sched_setaffinity(0, {place.load})
    build()
    try:
        return load(chosen, place) if chosen.what == "load" else run(chosen, place)
    except RuntimeError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
