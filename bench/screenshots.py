"""Pictures of every page, with data and without, in both themes and languages, on a phone and on a desk.

    scripts/screenshots [FOLDER] [PART OF A PAGE'S NAME …]

One file a picture: FOLDER/360-light-en/portal-usage.png. They are to be looked at, not compared by a machine.
"""

import sys
import tempfile
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, Page
from stage.browser import Chromium, window
from stage.furnished import NEWCOMER, OWNER, Furnished, furnished
from stage.pagelist import PAGES

FOLDER = Path(".cache/screenshots")
SIZES = {360: 740, 1280: 800}
THEMES = ("light", "dark")
LOCALES = {"en": "en-US", "zh": "zh-CN"}
START = "/portal/usage"


def main(folder: Path, wanted: list[str]) -> None:
    taken = 0
    with (
        tempfile.TemporaryDirectory() as place,
        furnished(Path(place)) as site,
        site.site.serving() as address,
        Chromium() as chromium,
        chromium.lent() as browser,
    ):
        for (width, height), theme, (language, locale) in product(SIZES.items(), THEMES, LOCALES.items()):
            look = {"viewport": {"width": width, "height": height}, "color_scheme": theme, "locale": locale}
            taken += visit(browser, address, site, folder / f"{width}-{theme}-{language}", wanted, look)
    print(f"{taken} pictures in {folder}")


def visit(
    browser: Browser, address: str, site: Furnished, folder: Path, wanted: list[str], look: dict[str, object]
) -> int:
    """All pages in one look, as a stranger, as somebody whose organization works, and as one who begins."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = 0
    people = (("", "/", ""), (OWNER, START, ""), (NEWCOMER, START, "-empty"))
    for email, start, mark in people:
        with window(browser, address, start, email=email, reduced_motion="reduce", **look) as page:
            for listed in PAGES:
                shown = listed.bare if mark else listed.signed_in == bool(email)
                if shown and (not wanted or any(part in listed.name for part in wanted)):
                    page.goto(site.address(listed.path))
                    take(page, folder / f"{listed.name}{mark}.png")
                    taken += 1
    return taken


def take(page: Page, file: Path) -> None:
    page.evaluate("document.fonts.ready")
    page.screenshot(path=file, full_page=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER, sys.argv[2:])
