"""A real Chromium: one for each test process, a context of its own for each window, and nothing unseen in any."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

from stage.pages import FLAGS, PASSWORD
from stage.waiting import PATIENCE

EXECUTABLE = "/usr/bin/chromium"
REFUSED_FORM = "422 (Unprocessable Entity)"
"""What Chromium says of a form that comes back for a change; the page is as it should be."""
MILLISECONDS = PATIENCE * 1000

expect.set_options(timeout=MILLISECONDS)


class Chromium:
    """`with Chromium() as chromium`: starts once, and is lent to one test after the other.

    Playwright's synchronous side leaves its event loop marked as the one that runs in this thread for as long as it
    lives; between two tests that use it the mark is taken off, so that others may run loops of their own.
    """

    def __enter__(self) -> Self:
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=EXECUTABLE, args=FLAGS)
        self._loop = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio._set_running_loop(self._loop)
        self._browser.close()
        self._playwright.stop()
        asyncio._set_running_loop(None)

    @contextmanager
    def lent(self) -> Iterator[Browser]:
        asyncio._set_running_loop(self._loop)
        try:
            yield self._browser
        finally:
            asyncio._set_running_loop(None)


@contextmanager
def window(browser: Browser, address: str, path: str = "/", *, email: str = "", **options: Any) -> Iterator[Page]:
    """The page at `path`, of somebody who has just signed in if `email` says who; `options` are a context's.

    What a person would not see, an error in it or a request to anybody else, is a failure. `page.faults` has them.
    """
    context = browser.new_context(base_url=address, **{"locale": "en-US"} | options)
    context.set_default_timeout(MILLISECONDS)
    try:
        page = context.new_page()
        faults = page.faults = watched(page, address)
        page.goto(path)
        if email:
            sign_in(page, email)
        yield page
    finally:
        context.close()
    assert faults == []


def watched(page: Page, address: str) -> list[str]:
    """What goes wrong in a page from now on."""
    faults: list[str] = []
    page.on(
        "console",
        lambda said: said.type == "error" and REFUSED_FORM not in said.text and faults.append(said.text),
    )
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: request.url.startswith(address) or faults.append(request.url))
    return faults


def sign_in(page: Page, email: str) -> None:
    """On the page that asks who it is, until it lets in."""
    page.locator("[name=email]").fill(email)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("main button").first.click()
    page.wait_for_url(lambda url: urlsplit(url).path != "/login")


def overflow(page: Page) -> int:
    """By how many pixels a page is wider than its window; none, if it fits."""
    return max(0, page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


WIDTHS = (360, 768, 1280)
LOCALES = ("en-US", "zh-CN")


def too_wide(page: Page, *paths: str, widths: tuple[int, ...] = WIDTHS) -> list[str]:
    """The pages that do not fit, each in every width; of the one that is open, where no path is given."""
    found: list[str] = []
    for path in paths or ("",):
        if path:
            page.goto(path)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 800})
            if beyond := overflow(page):
                found.append(f"{page.url}: {beyond} px beyond {width}")
    return found
