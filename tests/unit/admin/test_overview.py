"""The operator's overview, over a catalogue read from the database as the data plane reads it."""

import re

import pytest
from sqlalchemy import insert
from stage.pages import PASSWORD, Site
from starlette.testclient import TestClient

from puyun.admin.app import admin_face
from puyun.catalog.model import Price, Tier
from puyun.config import Brand
from puyun.kit.ids import format_id
from puyun.kit.money import NANO
from puyun.portal.app import PageDeps, create_pages
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.prices import set_price
from puyun.storage.snapshots import load_snapshot
from puyun.storage.wallets import MoneyKind, top_up


@pytest.fixture
def site(tmp_path, migrated):
    site = Site(tmp_path, migrated)
    yield site
    site.close()


@pytest.fixture
def client(site):
    def snapshot():
        with reading(site.engine) as connection:
            return load_snapshot(connection, 1)

    deps = PageDeps(
        engine=site.engine,
        clock=site.clock,
        brand=Brand(),
        prices=snapshot,
        catalogue=snapshot,
        arbiter=site.arbiter,
        signer=site.signer,
        vault=site.vault,
    )
    site.person("root@example.com", operator=True)
    return TestClient(create_pages(deps, admin_face(snapshot)), follow_redirects=False)


def sign_in(client, email="root@example.com"):
    token = re.search(r'name="csrf" value="(\w+)"', client.get("/login").text)[1]
    assert client.post("/login", data={"csrf": token, "email": email, "password": PASSWORD}).status_code == 303
    return client


def sell(site, *tiers):
    """A model with one deployment, priced at these tiers."""
    with writing(site.engine) as connection:
        provider = {"name": "echo", "dialect": "echo"}
        number = connection.execute(
            insert(schema.provider).values(provider).returning(schema.provider.c.id)
        ).scalar_one()
        place = {"name": "m@echo", "provider": number, "upstream_model": "m", "pool": "shared", "seats": 64}
        deployment = connection.execute(
            insert(schema.deployment).values(place).returning(schema.deployment.c.id)
        ).scalar_one()
        named = {"name": "m", "kind": "chat", "context_length": 1000}
        model = connection.execute(insert(schema.model).values(named).returning(schema.model.c.id)).scalar_one()
        connection.execute(insert(schema.model_deployment).values(model=model, position=0, deployment=deployment))
        for tier in tiers:
            for meter in ("input", "output"):
                price = Price(model="m", tier=tier, meter=meter, amount=1_000_000)
                set_price(connection, price, who="test", now=site.clock.now())


def test_organizations_are_listed_with_their_balances(site, client):
    engines = site.organization("Engines <Ltd>")
    with writing(site.engine) as connection:
        top_up(connection, engines.id, 5 * NANO, kind=MoneyKind.PAID, ref="first", now=site.clock.now())
    page = sign_in(client).get("/admin").text
    row = re.search(rf'data-org="{format_id("org", engines.id)}">(.*?)</tr>', page, re.DOTALL)[1]
    assert "Engines &lt;Ltd&gt;" in row
    assert row.count("$5.00") == 2
    assert 'data-figure="balance">$5.00<' in page


def test_a_model_without_a_price_is_named_with_its_tiers(site, client):
    sell(site, Tier.FLEX)
    page = sign_in(client).get("/admin").text
    needs = re.search(r'data-model="m">(.*?)</tr>', page, re.DOTALL)[1]
    assert re.findall(r'data-tier="(\w+)"', needs) == ["test", "enterprise"]
    assert 'data-deployment="m@echo"' in page


def test_a_model_priced_everywhere_needs_nothing(site, client):
    sell(site, *Tier)
    assert "Needs a price" not in sign_in(client).get("/admin").text


def test_an_empty_platform_says_what_to_do(client):
    page = sign_in(client).get("/admin").text
    assert "puyun org create NAME" in page
    assert "puyun catalog apply FILE" in page


def test_nobody_else_gets_in(site, client):
    assert client.get("/admin").headers["location"] == "/login?next=%2Fadmin"
    site.person("ada@example.com", site.organization("Engines"))
    assert sign_in(client, "ada@example.com").get("/admin").status_code == 403


def test_an_operator_without_an_organization_is_led_here(client):
    assert sign_in(client).get("/portal").headers["location"] == "/admin"
