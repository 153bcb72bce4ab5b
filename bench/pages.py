"""Every page as a table: what axe-core has against it, its weight with all that it loads, and when it is painted.

    PYTHONPATH=tests:. .venv/bin/python -m bench.pages [PART OF A PAGE'S NAME …]

Each page is opened in a context with an empty cache. The weight is what came over the wire, streams left out; the largest contentful paint is the median of ROUNDS loads with the processor slowed SLOWED times, in an English
window of 1280 × 800.
"""

import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, CDPSession, Page
from stage.accessibility import violations, with_axe
from stage.browser import Chromium, window
from stage.furnished import OWNER, Furnished, furnished
from stage.pagelist import PAGES, Listed

SLOWED = 4
ROUNDS = 3
WEIGHT_MAX = 150_000
"""Bytes of a page with all it loads, compressed."""
PAINTED_MAX = 1000
"""Milliseconds up to the largest contentful paint."""

PAINTED = """new Promise((found) => {
  new PerformanceObserver((list) => found(list.getEntries().at(-1).startTime))
    .observe({ type: "largest-contentful-paint", buffered: true });
})"""


@dataclass(frozen=True)
class Line:
    name: str
    faults: int
    weight: int
    painted: float

    @property
    def kept(self) -> bool:
        return not self.faults and self.weight <= WEIGHT_MAX and self.painted <= PAINTED_MAX


class Wire:
    """The bytes of answers that a page loads, headers with them, as they came over the wire; a stream has no end."""

    def __init__(self, session: CDPSession) -> None:
        self.bytes = 0
        session.on("Network.loadingFinished", self._finished)
        session.send("Network.enable")

    def _finished(self, event: dict) -> None:
        self.bytes += int(event["encodedDataLength"])


def measured(browser: Browser, address: str, place: Furnished, listed: Listed) -> Line:
    path, email = place.address(listed.path), OWNER if listed.signed_in else ""
    painted: list[float] = []
    weight = faults = 0
    with window(browser, address, "/portal/usage" if email else "/login", email=email) as signed_in:
        kept = signed_in.context.storage_state()
    for _ in range(ROUNDS):
        with window(browser, address, "about:blank", storage_state=kept) as page:
            session = page.context.new_cdp_session(page)
            session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
            wire = Wire(session)
            page.goto(path)
            painted.append(page.evaluate(PAINTED))
            weight = wire.bytes
    with window(browser, address, "about:blank", storage_state=kept, reduced_motion="reduce") as page:
        faults = len(looked_at(page, path))
    return Line(listed.name, faults, weight, statistics.median(painted))


def looked_at(page: Page, path: str) -> list[str]:
    """In the light, and what the dark adds."""
    with_axe(page.context)
    page.goto(path)
    found = violations(page)
    page.emulate_media(color_scheme="dark")
    return found + violations(page, colours_only=True)


def lines(wanted: list[str]) -> Iterator[Line]:
    with (
        tempfile.TemporaryDirectory() as folder,
        furnished(Path(folder)) as place,
        place.site.serving() as address,
        Chromium() as chromium,
        chromium.lent() as browser,
    ):
        for listed in PAGES:
            if not wanted or any(part in listed.name for part in wanted):
                yield measured(browser, address, place, listed)


def main(wanted: list[str]) -> int:
    print("| page | axe | kB | painted, ms | |\n|---|--:|--:|--:|---|")
    found: list[Line] = []
    for line in lines(wanted):
        found.append(line)
        verdict = "" if line.kept else "over budget"
        print(
            f"| {line.name} | {line.faults} | {line.weight / 1000:.1f} | {line.painted:.0f} | {verdict} |", flush=True
        )
    return 0 if all(line.kept for line in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
