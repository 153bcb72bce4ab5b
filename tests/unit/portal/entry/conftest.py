"""Pages with mail, a clock that a test moves, and browsers that read what was posted."""

import re

import pytest
from stage.pages import PASSWORD, Site
from starlette.testclient import TestClient

from puyun.config import Mail, Signup
from puyun.kit.clock import ManualClock
from puyun.storage.engine import reading
from puyun.storage.mail.post import newest

EMAIL = "ada@example.com"
MAIL = Mail(host="127.0.0.1", sender="us@example.com", links="https://ai.example.com")


class Browser(TestClient):
    """One browser, with cookies of its own."""

    def token(self, path):
        return re.search(r'name="csrf" value="(\w*)"', self.get(path).text)[1]

    def fill(self, path, page=None, **form):
        """Post a form as its page would."""
        return self.post(path, data={"csrf": self.token(page or path)} | form)

    def sign_in(self, email=EMAIL, password=PASSWORD):
        return self.fill("/login", email=email, password=password, next="/portal/usage")

    @property
    def inside(self):
        return self.get("/portal/usage").status_code == 200


class Mailbox:
    """The letters that wait to be sent."""

    def __init__(self, pages):
        self._pages = pages

    @property
    def letters(self):
        with reading(self._pages.engine) as connection:
            return [posted.letter for posted in newest(connection, 100)]

    def to(self, email):
        return [letter for letter in self.letters if letter.recipient == email]

    def link(self, path, email=EMAIL):
        """Of the newest letter that has one."""
        pattern = re.compile(rf"https://ai\.example\.com({path}/[\w-]+)")
        return next(found[1] for letter in self.to(email) if (found := pattern.search(letter.body)))


@pytest.fixture
def clock():
    return ManualClock(10**15)


@pytest.fixture
def mail():
    return MAIL


@pytest.fixture
def terms():
    return Signup(open=True, credit="1")


@pytest.fixture
def pages(tmp_path, migrated, clock, mail, terms):
    site = Site(tmp_path, migrated, clock=clock, mail=mail, signup=terms)
    yield site
    site.close()


@pytest.fixture
def mailbox(pages):
    return Mailbox(pages)


@pytest.fixture
def browser(pages):
    """Makes browsers."""
    return lambda: Browser(pages.app, follow_redirects=False)


@pytest.fixture
def person(pages):
    return pages.person(EMAIL, pages.organization("Engines"))
