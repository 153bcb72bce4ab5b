"""What others change reaches the data plane as a whole; a database that is gone closes it after a while."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from scripted import until
from shop import NOON, Shop
from sqlalchemy import Engine, insert, update
from sqlalchemy.exc import SQLAlchemyError

from puyun.arbiter.message import Configuration
from puyun.catalog.model import Price, Tier
from puyun.egress.target import target_at
from puyun.jobs import refresh as module
from puyun.jobs.refresh import Refresh
from puyun.kit.clock import Instant, ManualClock
from puyun.limits.rule import Metric, Subject
from puyun.storage import schema
from puyun.storage.engine import bump, open_engine, writing
from puyun.storage.identity import revoke_key
from puyun.storage.limits.rules import Change, set_limits
from puyun.storage.prices import set_price
from puyun.storage.snapshots import EMPTY


class Soon:
    """A loop whose next turn is now."""

    def call_soon_threadsafe(self, what, *arguments) -> None:
        what(*arguments)


class Stage:
    """A shop, and a data plane as far as the refresh knows it."""

    def __init__(self, engine: Engine, database: Path) -> None:
        self.engine = engine
        self.shop = Shop(engine, database)
        links = [{"model": number, "position": 0, "deployment": number} for number in self.shop.models.values()]
        with writing(engine) as connection:
            connection.execute(insert(schema.model_deployment), links)
        self.plane = SimpleNamespace(snapshot=EMPTY, keys={}, dispatcher=SimpleNamespace(targets={}), admits=True)
        self.wanted: list[Configuration] = []
        arbiter = SimpleNamespace(configure=self.wanted.append)
        self.refresh = Refresh(engine, self.plane, arbiter, ManualClock(NOON), Soon())

    def price(self) -> int:
        rates = self.plane.snapshot.rates("m", Tier.FLEX, Instant(NOON + 1))
        return rates.by_meter["input"].price

    def set_price(self, amount: int) -> None:
        with writing(self.engine) as connection:
            set_price(connection, Price(model="m", tier=Tier.FLEX, meter="input", amount=amount), who="t", now=NOON)


@pytest.fixture
def stage(tmp_path: Path, migrated: Path) -> Iterator[Stage]:
    database = Path(shutil.copy(migrated, tmp_path / "puyun.db"))
    engine = open_engine(database)
    stage = Stage(engine, database)
    yield stage
    stage.shop.store.close()
    engine.dispose()


def test_the_first_look_reads_everything(stage: Stage) -> None:
    stage.refresh.once()
    assert sorted(stage.plane.snapshot.sold) == ["m", "n"]
    (key,) = stage.plane.keys.values()
    assert (key.id, key.org, key.tier, key.active) == (stage.shop.key.id, 7, Tier.FLEX, True)
    assert sorted(stage.plane.dispatcher.targets) == sorted(stage.shop.models.values())
    assert stage.price() == 2_500_000


def test_what_has_not_changed_is_not_read_again(stage: Stage) -> None:
    stage.refresh.once()
    before = stage.plane.snapshot, stage.plane.keys
    stage.refresh.once()
    assert (stage.plane.snapshot is before[0], stage.plane.keys is before[1]) == (True, True)


def test_a_price_is_live_and_calls_under_way_keep_the_old_snapshot(stage: Stage) -> None:
    stage.refresh.once()
    old = stage.plane.snapshot
    stage.set_price(9)
    assert stage.price() == 2_500_000
    stage.refresh.once()
    assert stage.price() == 9
    assert old.rates("m", Tier.FLEX, Instant(NOON + 1)).by_meter["input"].price == 2_500_000
    assert stage.plane.snapshot.revision > old.revision


def test_a_revoked_key_is_not_active_any_more(stage: Stage) -> None:
    stage.refresh.once()
    with writing(stage.engine) as connection:
        revoke_key(connection, stage.shop.key.id, NOON)
    stage.refresh.once()
    assert [key.active for key in stage.plane.keys.values()] == [False]


def test_keys_of_a_suspended_organization_are_not_active(stage: Stage) -> None:
    stage.refresh.once()
    with writing(stage.engine) as connection:
        revision = bump(connection, "identity")
        connection.execute(update(schema.organization).values(status="suspended", revision=revision))
    stage.refresh.once()
    assert [key.active for key in stage.plane.keys.values()] == [False]


def test_a_provider_whose_secret_is_missing_is_not_called_and_the_log_says_so(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with writing(stage.engine) as connection:
        values = {"dialect": "openai", "base_url": "https://h/v1", "api_key": "env:NO_SUCH_KEY"}
        connection.execute(update(schema.provider).where(schema.provider.c.name == "p-m").values(values))
    stage.refresh.once()
    assert list(stage.plane.dispatcher.targets) == [stage.shop.models["n"]]
    assert [record.message for record in caplog.records] == ["provider_without_secret"]


def test_a_place_that_only_this_process_knows(stage: Stage) -> None:
    """The embedded model: nowhere until it answers, then at its port, whatever the catalogue is read for meanwhile."""
    stage.refresh.once()
    mine = stage.shop.models["m"]
    stage.refresh.override("p-m", None)
    assert mine not in stage.plane.dispatcher.targets
    stage.set_price(5)
    stage.refresh.once()
    assert mine not in stage.plane.dispatcher.targets
    candidate = stage.plane.snapshot.sold["m"].candidates[0]
    stage.refresh.override("p-m", target_at(candidate, "http://127.0.0.1:9/v1", "sk"))
    stage.set_price(6)
    stage.refresh.once()
    found = stage.plane.dispatcher.targets[mine]
    assert (found.port, found.id, stage.price()) == (9, mine, 6)
    assert stage.plane.dispatcher.targets[stage.shop.models["n"]].echo


def test_a_database_that_is_gone_closes_the_plane_after_a_while(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices and keys may have changed; and it opens again by itself."""
    monkeypatch.setattr(module, "EVERY_SECONDS", 0.005)
    monkeypatch.setattr(module, "UNCONFIRMED_SECONDS", 0.05)
    broken = [False]
    once = stage.refresh.once

    def sometimes() -> None:
        if broken[0]:
            raise SQLAlchemyError("disk I/O error")
        once()

    monkeypatch.setattr(stage.refresh, "once", sometimes)

    async def run() -> None:
        task = asyncio.get_running_loop().create_task(stage.refresh.run())
        await until(lambda: stage.plane.keys, "it was read once")
        broken[0] = True
        await until(lambda: not stage.plane.admits, "it is closed")
        broken[0] = False
        await until(lambda: stage.plane.admits, "it is open again")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_one_failed_look_closes_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_SECONDS", 0.005)
    looks = []

    def fails() -> None:
        looks.append(1)
        raise SQLAlchemyError("database is locked")

    monkeypatch.setattr(stage.refresh, "once", fails)

    async def run() -> None:
        task = asyncio.get_running_loop().create_task(stage.refresh.run())
        await until(lambda: len(looks) > 3, "several looks failed")
        assert stage.plane.admits
        task.cancel()

    asyncio.run(run())


def test_the_arbiter_hears_of_lanes_and_limits_and_of_each_change(stage: Stage) -> None:
    stage.refresh.once()
    (first,) = stage.wanted
    assert sorted(lane.id for lane in first.lanes) == sorted(stage.shop.models.values())
    assert (first.rules, set(first.models.values())) == ((), {"m", "n"})
    stage.refresh.once()
    assert stage.wanted == [first]
    with writing(stage.engine) as connection:
        set_limits(connection, Subject(org=7), {Metric.RPM: 5}, Change(by="t"), now=NOON)
    stage.refresh.once()
    _, second = stage.wanted
    assert [(rule.org, rule.metric, rule.amount) for rule in second.rules] == [(7, Metric.RPM, 5)]
    assert second.revision > first.revision


def test_deployments_of_an_engine_are_the_operator_s_own(stage: Stage) -> None:
    stage.refresh.once()
    assert {lane.own for lane in stage.wanted[-1].lanes} == {False}
    with writing(stage.engine) as connection:
        connection.execute(update(schema.provider).values(engine="vllm"))
        bump(connection, "catalog")
    stage.refresh.once()
    assert {lane.own for lane in stage.wanted[-1].lanes} == {True}
    assert {target.candidate.provider.engine for target in stage.plane.dispatcher.targets.values()} == {"vllm"}


@pytest.mark.parametrize(("pool", "owner"), [("dedicated:acme", 7), ("dedicated:nobody", 0), ("enterprise", None)])
def test_a_dedicated_pool_is_its_organization_s(stage: Stage, pool: str, owner: int | None) -> None:
    with writing(stage.engine) as connection:
        connection.execute(update(schema.deployment).values(pool=pool, own=1, lend=1))
        bump(connection, "catalog")
    stage.refresh.once()
    assert {(lane.pool, lane.owner, lane.own, lane.lend) for lane in stage.wanted[-1].lanes} == {
        (pool, owner, True, True)
    }
