"""What the data plane knows, read from what the control plane wrote."""

from ipaddress import ip_network

import pytest
from shop import NOON, Shop
from sqlalchemy import Engine, insert, update

from puyun.catalog.model import TIERS, Price, Tier
from puyun.identity.keys import ENTROPY_BYTES, fingerprint, mint
from puyun.identity.model import KeySpec
from puyun.kit.clock import Instant
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.identity import create_key
from puyun.storage.prices import set_price
from puyun.storage.snapshots import EMPTY, Snapshot, load_keys, load_snapshot, revisions

LATER = Instant(NOON + 10)


def snapshot(engine: Engine) -> Snapshot:
    with reading(engine) as connection:
        return load_snapshot(connection, revisions(connection)["catalog"])


def test_models_have_their_deployments_in_the_operator_s_order(shop: Shop, engine: Engine) -> None:
    m, n = shop.models["m"], shop.models["n"]
    links = [{"model": m, "position": 0, "deployment": n}, {"model": m, "position": 1, "deployment": m}]
    with writing(engine) as connection:
        connection.execute(insert(schema.model_deployment), links)
    found = snapshot(engine)
    assert list(found.sold) == ["m", "n"]
    assert [candidate.deployment.name for candidate in found.sold["m"].candidates] == ["n@p", "m@p"]
    assert [candidate.provider.name for candidate in found.sold["m"].candidates] == ["p-n", "p-m"]
    assert found.sold["m"].model.deployments == ("n@p", "m@p")
    assert found.sold["n"].candidates == ()
    assert [model.name for model in found.models] == ["m", "n"]


def test_rates_are_remembered_until_the_next_row_begins(shop: Shop, engine: Engine) -> None:
    with writing(engine) as connection:
        announced = Price(model="m", tier=Tier.FLEX, meter="input", amount=7, effective_from=LATER)
        set_price(connection, announced, who="t", now=NOON)
    found = snapshot(engine)
    before = found.rates("m", Tier.FLEX, NOON)
    assert before is not None
    assert before.by_meter["input"].price == 2_500_000
    assert found.rates("m", Tier.FLEX, Instant(LATER - 1)) is before
    after = found.rates("m", Tier.FLEX, LATER)
    assert after is not None
    assert after.by_meter["input"].price == 7


def test_what_has_no_price_yet_is_looked_up_again(shop: Shop, engine: Engine) -> None:
    with writing(engine) as connection:
        announced = Price(model="m", tier=Tier.TEST, meter="input", amount=7, effective_from=LATER)
        set_price(connection, announced, who="t", now=NOON)
    found = snapshot(engine)
    assert found.rates("m", Tier.TEST, NOON) is None
    assert found.rates("m", Tier.TEST, LATER) is not None
    assert found.rates("nothing", Tier.TEST, LATER) is None


def test_keys_carry_what_a_call_is_checked_against(shop: Shop, engine: Engine) -> None:
    secret = mint(bytes(ENTROPY_BYTES))
    spec = KeySpec(tier=Tier.TEST, models=("m",), ips=("10.0.0.0/8", "fd00::/8"), expires_at=LATER)
    with writing(engine) as connection:
        create_key(connection, shop.org, spec, secret, NOON)
    with reading(engine) as connection:
        key = load_keys(connection, -1)[fingerprint(secret)]
    assert (key.org, key.tier, key.tiers) == (7, Tier.TEST, frozenset(TIERS))
    assert (key.models, key.expires_at, key.active) == (frozenset({"m"}), LATER, True)
    assert key.networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize("table", ["api_key", "organization"])
def test_only_keys_that_changed_since_are_read(shop: Shop, engine: Engine, table: str) -> None:
    with reading(engine) as connection:
        known = revisions(connection)["identity"]
        assert load_keys(connection, known) == {}
        assert len(load_keys(connection, -1)) == 1
    with writing(engine) as connection:
        connection.execute(update(schema.metadata.tables[table]).values(revision=known + 1))
    with reading(engine) as connection:
        assert len(load_keys(connection, known)) == 1


def test_before_anything_was_read_nothing_is_sold() -> None:
    assert EMPTY.rates("m", Tier.FLEX, NOON) is None
    assert (EMPTY.sold, EMPTY.models, EMPTY.revision) == ({}, [], -1)
