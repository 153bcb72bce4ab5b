"""An engine of the operator's own that has a queue is sent less, so that calls wait where tiers count."""

from pathlib import Path

from stage.catalogue import engine_catalogue
from stage.dialogue import post
from stage.platform import Platform
from stage.upstream import MockUpstream
from stage.waiting import until

MODEL = "mock-engine"


def test_calls_wait_here_when_the_engine_has_a_queue(platform: Platform, tmp_path: Path) -> None:
    account, engine = platform.account(), MockUpstream(tmp_path)
    try:
        platform.apply(engine_catalogue(engine.base_url, MODEL, seats=2))
        engine.queue(5)
        with platform.dialogue() as first, platform.dialogue() as second:
            for dialogue, user in ((first, "first"), (second, "second")):
                body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "user": user}
                dialogue.send(post("/v1/chat/completions", body, account.key))
                until(lambda: len(engine.asked("first")) == 1, "the only seat to be taken")

            def queued() -> int:
                (row,) = platform.get(f"/v1/limits?model={MODEL}&tier=flex", account.key)["models"]
                return row["queued"]

            until(lambda: queued() == 1, "the second call to wait")
            assert engine.asked("second") == []
            for dialogue, user in ((first, "first"), (second, "second")):
                engine.open_gate(user)
                assert dialogue.answer().status == 200
    finally:
        engine.child.stop()
