"""On a running platform: a real call reaches a budget, and whoever asked for it hears of it, signed."""

import json
import urllib.request

from stage.receiver import receiving
from stage.site import Site
from stage.waiting import until

from puyun.notices.kinds import Kind
from puyun.storage.engine import open_engine, writing
from puyun.storage.webhooks.webhooks import Keeper, create_webhook
from puyun.system.clock import SystemClock
from puyun.system.entropy import webhook_entropy
from puyun.system.vault import Vault


def test_a_call_that_reaches_a_budget_is_told(site: Site) -> None:
    engine, keeper = open_engine(site.database), Keeper(Vault(site.data), webhook_entropy, private=True)
    site.run("budget", "set", "acme", "0.000001", "--period", "total", "--soft")
    with receiving() as receiver:
        with writing(engine) as connection:
            now = SystemClock().now()
            kinds = (Kind.BUDGET_REACHED,)
            made = create_webhook(connection, site.org, receiver.url, kinds, keeper=keeper, by="ada", now=now)
        _, port = site.serve(PUYUN_WEBHOOKS__ALLOW_PRIVATE="true")
        body = {"model": "mock-tokens-50", "messages": [{"role": "user", "content": "hello"}]}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/chat/completions",
            json.dumps(body).encode(),
            {"authorization": f"Bearer {site.key}", "content-type": "application/json"},
        )
        assert urllib.request.urlopen(request, timeout=30).status == 200
        until(lambda: len(receiver.got) == 3, "a delivery for each threshold")
        told = [got.verified(made.secret) for got in receiver.got]
        assert sorted(each["data"]["percent"] for each in told) == [50, 80, 100]
        assert {each["type"] for each in told} == {"budget.reached"}
        assert {each["data"]["of"] for each in told} == {"organization"}
        assert all(each["data"]["limit"] == "0.000001" for each in told)
        until(
            lambda: site.rows("SELECT count(*) AS n FROM delivery WHERE status = 'delivered'")[0]["n"] == 3,
            "every delivery to be written down",
        )
    assert made.secret not in site.stop()
    engine.dispose()
