import tomllib

import pytest

from bench.columns import COLUMNS, Site
from bench.columns.puyun import TIERS, settled_calls


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, 4001, 4002, ["mock-plain", "mock-burst"])


def test_the_catalogue_sells_every_model_at_every_tier_from_the_mock(site):
    COLUMNS["puyun"].prepare(site)
    catalogue = tomllib.loads((site.directory / "catalogue.toml").read_text())
    assert [provider["base_url"] for provider in catalogue["providers"]] == ["http://127.0.0.1:4002/v1"]
    assert {model["name"] for model in catalogue["models"]} == {"mock-plain", "mock-burst"}
    offers = {(price["model"], price["tier"]) for price in catalogue["prices"]}
    assert offers == {(model, tier) for model in site.models for tier in TIERS}


def test_a_failed_call_is_not_a_settled_one():
    assert settled_calls('{"by": "model", "rows": [{"calls": 9}], "total": {"calls": 9, "failures": 2}}') == 7


def test_nginx_keeps_connections_and_passes_events_on_at_once(site):
    COLUMNS["nginx"].prepare(site)
    config = (site.directory / "nginx.conf").read_text()
    for line in (
        "worker_processes 1;",
        "listen 127.0.0.1:4001 ",
        "server 127.0.0.1:4002;",
        "proxy_buffering off;",
        "access_log off;",
    ):
        assert line in config


def test_litellm_routes_every_model_to_the_mock(site):
    COLUMNS["litellm"].prepare(site)
    config = (site.directory / "config.yaml").read_text()
    assert config.count("api_base: http://127.0.0.1:4002/v1") == 2
    assert "model_name: mock-burst" in config


def test_portkey_is_told_by_headers_where_the_mock_is(site):
    assert COLUMNS["portkey"].open(site)["x-portkey-custom-host"] == "http://127.0.0.1:4002/v1"


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "direct"])
def test_every_proxy_is_told_its_port_and_listens_on_loopback_alone(site, name):
    column = COLUMNS[name]
    column.prepare(site)
    said = " ".join(map(str, column.command(site).argv)) + "".join(
        file.read_text() for file in site.directory.iterdir()
    )
    assert "4001" in said
    assert "0.0.0.0" not in said
