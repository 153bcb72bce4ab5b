"""Several workers and the embedded model: one child for all, found by each, and found again when it was restarted."""

import os
import re
import signal
from pathlib import Path

import httpx2
import pytest
from stage.child import Child
from stage.crew import children, ended
from stage.limits import unlimited
from stage.waiting import until

from puyun.localmodel.availability import SMOLLM2
from puyun.storage.engine import open_engine, sqlite_path

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]


def answers(url: str, key: str) -> bool:
    """On a connection of its own, so that either worker may have it."""
    body = {"model": SMOLLM2, "max_tokens": 2, "messages": [{"role": "user", "content": "Hi"}]}
    with httpx2.Client(timeout=60) as client:
        answer = client.post(f"{url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})
    return answer.status_code == 200


def test_one_model_serves_all_workers(tmp_path: Path) -> None:
    data = tmp_path / "data"
    arguments = ["-m", "puyun", "serve", "--data", str(data), "--port", "0", "--workers", "2"]
    server = Child("server", arguments, folder=tmp_path)
    try:
        found = re.search(r"http://[0-9.]+:[0-9]+", server.wait_for("is ready on"))
        key = re.search(r"sk-puyun-\w+", server.wait_for("Demo key"))
        assert found
        assert key
        engine = open_engine(sqlite_path(data))
        unlimited(engine)
        engine.dispose()
        until(lambda: answers(found[0], key[0]), "the model", 60)
        assert all(answers(found[0], key[0]) for _ in range(8))
        assert server.log().count("is ready on") == 1
        model = children(server.pid)["model"]
        [engine_pid] = children(model).values()
        os.kill(model, signal.SIGKILL)
        until(lambda: ended(engine_pid), "what it ran to end with it")
        until(lambda: children(server.pid).get("model", model) != model, "another one")
        until(lambda: answers(found[0], key[0]), "the model again", 60)
        assert all(answers(found[0], key[0]) for _ in range(8))
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    finally:
        if server.alive:
            server.kill()
    assert "Traceback" not in server.log(), server.log()
