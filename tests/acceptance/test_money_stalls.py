"""A client that takes nothing of its stream for too long has left: it pays for what was let through, and no more."""

from stage.bill import charge
from stage.dialogue import Dialogue, post
from stage.site import START, Site
from stage.waiting import until

FLOOD = "mock-flood-64-tokens-1000"


def test_a_client_that_never_reads_its_stream_is_given_up_and_pays_what_was_let_through(site: Site) -> None:
    _, port = site.serve(PUYUN_SERVER__WRITE_STALL_SECONDS="1")
    body = {"model": FLOOD, "messages": [{"role": "user", "content": "one two three"}], "stream": True}
    with Dialogue(("127.0.0.1", port), receive_buffer=4096) as dialogue:
        dialogue.send(post("/v1/chat/completions", body | {"user": site.user}, site.key))
        until(lambda: site.wallet()["held"], "the hold")
        [entry] = site.mock.ended(site.user)
        assert not entry["complete"], "the provider was left at once"
        until(lambda: not site.wallet()["held"], "the hold to return")
        [record] = site.rows("SELECT * FROM usage_record")
        assert record["status"] == 2, "cancelled"
        assert record["flags"] & 1, "an estimate of what was let through"
        assert 0 < record["charge"] == START - site.wallet()["paid"] <= record["held"]
        assert record["charge"] < charge(3, 1000 * 65536 // 4)
        assert b"[DONE]" not in dialogue.rest()
    site.run("audit")


def test_a_client_that_never_takes_its_answer_is_given_up_too(site: Site) -> None:
    """The whole answer is charged, since it was sent to its last byte; its connection does not stay for ever."""
    _, port = site.serve(PUYUN_SERVER__WRITE_STALL_SECONDS="1")
    body = {"model": FLOOD, "messages": [{"role": "user", "content": "one two three"}], "max_tokens": 300}
    with Dialogue(("127.0.0.1", port), receive_buffer=4096) as dialogue:
        dialogue.send(post("/v1/chat/completions", body | {"user": site.user}, site.key))
        until(lambda: site.rows("SELECT * FROM usage_record"), "the settle")
        [record] = site.rows("SELECT * FROM usage_record")
        assert record["charge"] == charge(3, 300)
        server_side = f":{port:04X}"
        until(lambda: _connections(server_side) == 0, "the connection to be dropped")


def _connections(server_side: str) -> int:
    """Established connections of a server's port, seen from its side."""
    with open("/proc/net/tcp") as table:  # noqa: PTH123 - no file with a name worth a Path
        rows = [line.split() for line in table][1:]
    return sum(row[1].endswith(server_side) and row[3] == "01" for row in rows)
