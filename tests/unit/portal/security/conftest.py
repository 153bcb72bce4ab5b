"""A person, signed in, on pages whose clock stands still unless a test moves it."""

import re

import pytest
from stage.pages import PASSWORD, Site
from starlette.testclient import TestClient

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
