"""The report as one HTML page: no scripts, nothing fetched, the same bytes for the same report."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from puyun.catalog.model import TIERS, Tier
from puyun.sim.report import plot
from puyun.sim.tiers.compare import Report

NAMES = {
    "puyun": "puyun",
    "split": "seats split among workers",
    "priority": "strict priority",
    "fifo": "first come, first served",
}
TIER_NAMES = {Tier.TEST: "Test", Tier.FLEX: "Flex", Tier.ENTERPRISE: "Enterprise"}


def page(report: Report, *, style: str, source: str = "") -> str:
    """`style`: the product's own style sheet; `source`: where a trace in the report came from."""
    environment = Environment(
        loader=PackageLoader("puyun.sim.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(time=time, share=share, number="{:,}".format)
    return environment.get_template("tiers.html").render(
        report=report, style=style, source=source, plot=plot, names=NAMES, tier_names=TIER_NAMES, tiers=TIERS[::-1]
    )


def time(microseconds: int) -> str:
    """As people read it: three figures at most."""
    if microseconds < 1_000:
        return "0" if microseconds == 0 else "< 1 ms"
    if microseconds < 1_000_000:
        return f"{microseconds // 1_000} ms"
    seconds = microseconds / 1_000_000
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"


def share(ppm: int) -> str:
    """Rounded down: all but one is not all."""
    return "100 %" if ppm == 1_000_000 else f"{ppm // 1_000 / 10:.1f} %"
