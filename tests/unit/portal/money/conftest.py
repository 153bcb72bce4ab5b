"""The pages over a shop that sells: the calls, charges and refunds are those of the real store."""

import re
import shutil
from html import unescape

import pytest
from shop import Shop
from sqlalchemy import update
from stage.pages import Site
from stage.visitor import signed_in

from puyun.config import Brand
from puyun.kit.clock import DAY
from puyun.pricing.papers.parties import Seller
from puyun.storage import schema
from puyun.storage.engine import open_engine, sqlite_path, writing

EMAIL = "ada@example.com"


class Counter:
    """A site, a shop in its database, and people who look: `pages.clock` is the clock of both."""

    def __init__(self, folder, migrated, **options):
        shutil.copy(migrated, sqlite_path(folder))
        self.engine = open_engine(sqlite_path(folder))
        self.shop = Shop(self.engine, sqlite_path(folder))
        self.pages = Site(folder, clock=self.shop.clock, **options)
        self.folder = folder

    def close(self):
        self.pages.close()
        self.engine.dispose()

    def later(self, days):
        """The clock goes on; nobody's session ends by that."""
        self.shop.later(24 * days)
        now = self.shop.clock.now()
        with writing(self.engine) as connection:
            connection.execute(update(schema.session).values(seen_at=now, expires_at=now + DAY))

    def signed_in(self, email=EMAIL):
        return signed_in(self.pages, email)


@pytest.fixture
def brand():
    """Of the site; a test may have another."""
    return Brand()


@pytest.fixture
def seller():
    """Nobody; a test may have another."""
    return Seller()


@pytest.fixture
def counter(tmp_path, migrated, brand, seller):
    counter = Counter(tmp_path, migrated, brand=brand, seller=seller)
    yield counter
    counter.close()


@pytest.fixture
def shop(counter):
    return counter.shop


@pytest.fixture
def client(counter, shop):
    counter.pages.person(EMAIL, shop.org)
    return counter.signed_in()


@pytest.fixture
def words():
    """The text of a page, without its tags."""
    return lambda page: " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
