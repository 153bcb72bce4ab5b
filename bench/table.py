"""The results for people: what was measured, column by column, then each budget with pass or miss."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.run import Outcome
from bench.scenarios import Row
from bench.spread import Spread, difference, ratio, spread
from bench.targets import SUBJECT, Verdict, values

WIDTH = 150


@dataclass(frozen=True)
class Line:
    row: str
    label: str
    metric: str
    unit: str = ""
    scale: float = 1.0


LINES = (
    Line("plain", "CPU per call", "cpu_us", "µs"),
    Line("plain", "calls per second", "per_second"),
    Line("plain", "p50", "p50_us", "ms", 1e-3),
    Line("plain", "p99", "p99_us", "ms", 1e-3),
    Line("burst", "CPU per event", "cpu_us", "µs"),
    Line("burst", "events per second", "events_per_second"),
    Line("paced", "CPU per event", "cpu_us", "µs"),
    Line("paced", "first byte, p99", "first_byte_p99_us", "ms", 1e-3),
    Line("latency", "p50", "p50_us", "ms", 1e-3),
    Line("latency", "p99", "p99_us", "ms", 1e-3),
    Line("latency", "CPU per call", "cpu_us", "µs"),
    Line("crowd", "open at once", "in_flight"),
    Line("crowd", "memory", "rss_bytes", "MB", 1e-6),
    Line("crowd", "CPU per event", "cpu_us", "µs"),
    Line("start", "first start to ready", "first_start_s", "s"),
    Line("start", "start to ready", "start_s", "s"),
    Line("start", "memory at rest", "rss_bytes", "MB", 1e-6),
    Line("start", "CPU at rest", "idle_share", "%", 100),
)
SHARES = (
    ("proxy_share", "the proxy, of its core"),
    ("others_proxy_core", "others on that core"),
    ("load_share", "load generator, of its core"),
    ("mock_share", "mock upstream, of that core"),
    ("others_load_core", "others on that core"),
)


def number(value: float) -> str:
    """Three digits that matter, whole numbers with separators."""
    if abs(value) >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def cell(found: Spread) -> str:
    low, median, high = (number(value) for value in found)
    return median if low == high else f"{median} [dim]({low}–{high})[/dim]"


def scaled(outcome: Outcome, line: Line, column: str) -> list[float]:
    return [value * line.scale for value in values(outcome, line.row, column, line.metric)]


def compared(outcome: Outcome, line: Line) -> str:
    """Against nginx as a ratio; a latency also as what it adds to the direct way."""
    own, nginx, direct = (scaled(outcome, line, column) for column in (SUBJECT, "nginx", "direct"))
    parts: list[str] = []
    if own and nginx and line.metric != "in_flight" and any(nginx):
        parts.append(f"{number(ratio(own, nginx).median)} ×")
    if own and direct and line.row == "latency" and line.unit == "ms":
        parts.append(f"+{number(difference(own, direct).median)} ms")
    return ", ".join(parts)


def results(outcome: Outcome, columns: Sequence[str], titles: dict[str, str]) -> Table:
    table = Table(title="median (lowest–highest) of the rounds", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    table.add_column("puyun to nginx, direct", justify="right")
    seen = ""
    for line in LINES:
        cells = [cell(spread(found)) if (found := scaled(outcome, line, column)) else "" for column in columns]
        if not any(cells):
            continue
        if line.row != seen:
            table.add_row(f"[bold]{titles[line.row]}[/bold]")
            seen = line.row
        table.add_row(f"  {line.label}{', ' + line.unit if line.unit else ''}", *cells, compared(outcome, line))
    return table


def bottleneck(outcome: Outcome, columns: Sequence[str], rows: Sequence[Row]) -> Table:
    """Where the limit was: a proxy at 100 % of its core is measured, a load generator at 100 % of its own is not."""
    table = Table(title="share of a core, % (median of the rounds)", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    for row in rows:
        if row.name not in outcome.samples:
            continue
        table.add_row(f"[bold]{row.title}[/bold]")
        for metric, label in SHARES:
            found = [values(outcome, row.name, column, metric) for column in columns]
            table.add_row(f"  {label}", *(number(100 * spread(shares).median) if shares else "" for shares in found))
    return table


def budgets(found: Sequence[Verdict]) -> Table:
    table = Table(title="budgets", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    table.add_column("measured", justify="right")
    table.add_column("budget", justify="right")
    table.add_column("")
    for verdict in found:
        budget = verdict.budget
        sign = "≥" if budget.at_least else "≤"
        result = "[green]pass[/green]" if verdict.kept else "[bold red]MISS[/bold red]"
        table.add_row(
            budget.what, f"{cell(verdict.value)} {budget.unit}", f"{sign} {number(budget.limit)} {budget.unit}", result
        )
    return table


def console() -> Console:
    """Wide enough for five columns also where the output is a file."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=WIDTH)
