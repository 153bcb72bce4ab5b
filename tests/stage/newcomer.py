"""Strangers: on what terms they sign up at a test's platform, and the call that the pages show them."""

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page

from stage.platform import Platform
from stage.waiting import until

PROXY = "127.0.0.2"

TERMS = {
    "PUYUN_SIGNUP__OPEN": "true",
    "PUYUN_SIGNUP__CREDIT": "1.00",
    "PUYUN_SIGNUP__PER_DAY": "1000",
    "PUYUN_SERVER__TRUSTED_PROXIES": PROXY,
}
"""Open, with credit; the platform's own accounts are organizations of today too."""


def shown_call(page: Page, place: int) -> str:
    """The text of a tab: curl, Python, JavaScript."""
    return page.locator("#snippet .tab code").nth(place).text_content() or ""


def run_shown(platform: Platform, folder: Path, key: str, program: str) -> None:
    """The Python call as the page shows it, by the official SDK, once the server knows the key."""
    until(lambda: platform.status("/v1/models", key) == 200, "the key to be known")
    file = folder / "call.py"
    file.write_text(program)
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
