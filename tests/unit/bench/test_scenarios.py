import json

import pytest

from bench.scenarios import Options, load_rows, open_streams, warm_up, write_request

ROWS = {row.name: row for row in load_rows(Options())}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_request_is_one_whole_http_message_of_about_a_kilobyte(tmp_path, row):
    write_request(row, {"Authorization": "Bearer sk-puyun-x"}, tmp_path / "request")
    head, _, body = (tmp_path / "request").read_bytes().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v1/chat/completions HTTP/1.1"
    assert f"Content-Length: {len(body)}" in lines
    assert "Authorization: Bearer sk-puyun-x" in lines
    assert 900 <= len(body) <= 1200
    content = json.loads(body)
    assert content["model"] == f"mock-{row.name}"
    assert content.get("stream", False) is bool(row.events)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_ends_and_its_load_agrees_with_its_answers(row):
    for shape in (row.full, row.gentle):
        assert shape.stream is bool(row.events)
        assert 0 < shape.seconds <= 600
        assert shape.calls is None or shape.calls == shape.connections  # a set of long streams: each once


def test_only_what_repeats_is_warmed_up():
    assert warm_up(ROWS["plain"].full).seconds == 0.5
    assert warm_up(ROWS["paced"].full) is None


@pytest.mark.parametrize(("limit", "streams"), [(20_000, 9_250), (1_048_576, 10_000), (4096, 1_298), (1024, 100)])
def test_open_streams_fit_the_descriptors(monkeypatch, limit, streams):
    monkeypatch.setattr("bench.scenarios.descriptors", lambda: limit)
    assert open_streams() == streams
