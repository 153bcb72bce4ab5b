"""Limits of a network address: whoever guesses keys is told to wait, whichever worker and path he asks."""

from collections.abc import Iterator

import pytest
from stage.dialogue import Answer, get, post
from stage.platform import Platform
from stage.waiting import until

pytestmark = pytest.mark.xdist_group("workers")

CALL = {"model": "mock", "messages": [{"role": "user", "content": "one two three"}]}
CHAT = "/v1/chat/completions"
WRONG = "sk-puyun-wrong"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Two workers behind a proxy that they trust; six requests a minute from each address, three of them at once."""
    settings = {"PUYUN_SERVER__WORKERS": "2", "PUYUN_SERVER__TRUSTED_PROXIES": "127.0.0.1"}
    with Platform(tmp_path_factory.mktemp("addresses"), **settings) as made:
        made.cli("limits", "default", "ip", "--rpm", "6", "--burst", "30")
        until(lambda: [ask(made, "192.0.2.99").status for _ in range(4)][-1] == 429, "the limit to be known")
        yield made


def ask(platform: Platform, address: str, key: str = WRONG, path: str = CHAT) -> Answer:
    lines = (f"X-Forwarded-For: 203.0.113.1, {address}", "X-Max-Wait: 0")
    with platform.dialogue() as dialogue:
        request = post(path, CALL, key, *lines) if path == CHAT else get(path, key, *lines)
        return dialogue.send(request).answer()


def test_guessing_keys_is_slow(platform: Platform) -> None:
    answers = [ask(platform, "192.0.2.1") for _ in range(6)]
    assert [answer.status for answer in answers] == [401, 401, 401, 429, 429, 429]
    error = answers[-1].json()["error"]
    assert (error["code"], error["scope"], error["metric"], error["limit"]) == ("rate_limit_exceeded", "ip", "rpm", "6")
    assert 0 < int(answers[-1].headers["retry-after"]) <= 10
    assert ask(platform, "192.0.2.2").status == 401, "another address"


def test_it_counts_on_every_path_and_with_a_good_key_too(platform: Platform) -> None:
    account = platform.account()
    assert ask(platform, "192.0.2.3", path="/v1/balance").status == 401
    assert ask(platform, "192.0.2.3", path="/v1/limits").status == 401
    assert ask(platform, "192.0.2.3", account.key).status == 200
    assert ask(platform, "192.0.2.3", account.key).status == 429
    assert ask(platform, "192.0.2.3", path="/v1/balance").status == 429
    assert ask(platform, "192.0.2.3", path="/v1/limits").status == 429
    assert ask(platform, "192.0.2.3", account.key, path="/v1/balance").status == 200, "reading with a key is not a call"


def test_a_whole_network_of_ipv6_is_one_address(platform: Platform) -> None:
    found = [ask(platform, f"2001:db8::{host:x}").status for host in range(1, 6)]
    assert found == [401, 401, 401, 429, 429]
    assert ask(platform, "2001:db8:0:1::1").status == 401
