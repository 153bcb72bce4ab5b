import msgspec
import pytest

from puyun.catalog.model import Tier
from puyun.identity.model import ApiKey
from puyun.kit.clock import Instant

KEY = ApiKey(
    id=1,
    org=1,
    prefix="sk-puyun-abcd",
    name="",
    tier=Tier.TEST,
    models=(),
    ips=(),
    member=None,
    expires_at=None,
    revoked_at=None,
    created_at=Instant(0),
    revision=1,
)


@pytest.mark.parametrize(
    ("changes", "usable"),
    [({}, True), ({"expires_at": 11}, True), ({"expires_at": 10}, False), ({"revoked_at": 99}, False)],
)
def test_a_key_is_usable_until_it_expires_or_is_revoked(changes: dict[str, int], usable: bool) -> None:
    assert msgspec.structs.replace(KEY, **changes).usable(Instant(10)) is usable
