import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from shop import Shop

from puyun.metering.usage import Usage
from puyun.storage.engine import reading
from puyun.storage.receipts import load_receipt, to_json
from puyun.storage.reports.signatures import Signer, load_keys
from puyun.system.signing import BadSignatureError, verify


@pytest.fixture
def signer(shop: Shop, tmp_path: Path) -> Signer:
    return Signer(shop.engine, tmp_path, shop.clock)


def signed(shop: Shop, signer: Signer) -> dict[str, Any]:
    call = shop.sell(Usage(input=1234, cached_input=3, output=567))
    with reading(shop.engine) as connection:
        receipt = load_receipt(connection, shop.org.id, call)
    assert receipt is not None
    return msgspec.json.decode(msgspec.json.encode(signer.sign(to_json(receipt))))


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Every place of a document where something stands, objects and arrays included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, item in inner for place in places(item, (*path, key))]


OTHER = st.none() | st.booleans() | st.integers(0, 10**6) | st.text(max_size=5) | st.just([]) | st.just({})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data())
def test_a_change_of_any_field_is_found(shop: Shop, signer: Signer, data: st.DataObject) -> None:
    if not hasattr(signer, "receipt"):
        signer.receipt = signed(shop, signer)
    receipt: dict[str, Any] = signer.receipt
    keys = signer.published().keys
    verify(receipt, keys)
    forged = copy.deepcopy(receipt)
    *way, last = data.draw(st.sampled_from(places(receipt)))
    spot: Any = forged
    for step in way:
        spot = spot[step]
    match data.draw(st.sampled_from(["other", "gone", "more"])):
        case "other":
            spot[last] = data.draw(OTHER.filter(lambda other: (other, type(other)) != (spot[last], type(spot[last]))))
        case "gone":
            del spot[last]
        case _ if isinstance(spot, dict):
            spot[data.draw(st.text("abc_", min_size=1).filter(lambda key: key not in spot))] = None
        case _:
            spot.append(None)
    with pytest.raises(BadSignatureError):
        verify(forged, keys)


def test_a_key_is_made_once_and_a_rotation_keeps_the_old_one_good(shop: Shop, signer: Signer, tmp_path: Path) -> None:
    old = signed(shop, signer)
    other = Signer(shop.engine, tmp_path, shop.clock)
    assert signed(shop, other)["signature"]["key"] == old["signature"]["key"]
    fresh = other.rotate()
    new = signed(shop, signer)
    assert new["signature"]["key"] == fresh.public.kid != old["signature"]["key"]
    with reading(shop.engine) as connection:
        keys = load_keys(connection).keys
    assert len(keys) == 2
    assert {verify(old, keys).kid, verify(new, keys).kid} == {key.kid for key in keys}


def test_keys_of_every_machine_are_published(shop: Shop, signer: Signer, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Signer(shop.engine, tmp_path / "other", shop.clock)
    mine, theirs = signed(shop, signer), signed(shop, other)
    assert mine["signature"]["key"] != theirs["signature"]["key"]
    assert signer.published() == other.published()
    for receipt in (mine, theirs):
        verify(receipt, signer.published().keys)
