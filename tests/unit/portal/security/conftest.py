"""A person, signed in, on pages whose clock stands still unless a test moves it."""

import re
from base64 import b32decode

import pytest
from stage.pages import PASSWORD, Site
from starlette.testclient import TestClient

from puyun.identity.totp import STEP, code_at
from puyun.kit.clock import ManualClock

EMAIL = "ada@example.com"
PAGE = "/portal/settings/security"


class Browser(TestClient):
    """One browser, with cookies of its own."""

    def token(self, path):
        return re.search(r'name="csrf" value="(\w*)"', self.get(path).text)[1]

    def sign_in(self, email=EMAIL, password=PASSWORD, back="/portal/usage"):
        form = {"csrf": self.token("/login"), "email": email, "password": password, "next": back}
        return self.post("/login", data=form)

    def fill(self, path="", page=None, **form):
        """Post a form of the area as its page would."""
        page = path if page is None else page
        where = PAGE + (f"/{page}" if page else "")
        return self.post(PAGE + (f"/{path}" if path else ""), data={"csrf": self.token(where)} | form)

    @property
    def inside(self):
        return self.get("/portal/usage").status_code == 200


@pytest.fixture
def clock():
    return ManualClock(10**15)


@pytest.fixture
def pages(tmp_path, migrated, clock):
    site = Site(tmp_path, migrated, clock=clock)
    site.person(EMAIL, site.organization("Engines"))
    yield site
    site.close()


@pytest.fixture
def browser(pages):
    """Makes browsers."""
    return lambda agent="Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0": Browser(
        pages.app, follow_redirects=False, headers={"user-agent": agent}
    )


@pytest.fixture
def ada(browser):
    ada = browser()
    assert ada.sign_in().status_code == 303
    return ada


class App:
    """An authenticator app, as it is on a phone: all it knows is the secret that was typed in."""

    def __init__(self, clock, shown):
        self._clock = clock
        self._secret = b32decode(shown.replace(" ", ""))

    def code(self, off=0):
        return code_at(self._secret, self._clock.now() // STEP + off)


def _enrol(browser, clock):
    """Turn the codes on; the app, and the recovery codes."""
    browser.fill("code/begin", "")
    app = App(clock, re.search(r'<code class="typed">([A-Z2-7 ]+)</code>', browser.get(f"{PAGE}/code").text)[1])
    answer = browser.fill("code", code=app.code())
    assert answer.status_code == 200
    clock.advance(STEP)
    return app, recovery_codes_of(answer)


def recovery_codes_of(answer):
    return re.findall(r"<li><code>([A-Z2-7-]+)</code>", answer.text)


@pytest.fixture
def enrol(clock):
    return lambda browser: _enrol(browser, clock)


@pytest.fixture
def enrolled(ada, enrol):
    return enrol(ada)


@pytest.fixture
def app(enrolled):
    return enrolled[0]


@pytest.fixture
def codes(enrolled):
    return enrolled[1]
