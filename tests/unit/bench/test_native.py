"""The two C programs through real sockets, and their parsers byte by byte."""

import re
import socket
import subprocess
import threading

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from bench.native import Shape, generate_load, mock_upstream
from bench.scenarios import Options, load_rows, write_request

pytestmark = pytest.mark.xdist_group("bench-native")

ROWS = {row.name: row for row in load_rows(Options(quick=True))}
BEHAVIOURS = ["mock-plain=0:1:0", "mock-burst=40:8:0", "mock-paced=8:1:5000", "mock-huge=20000:500:0"]

PERCENTILE_DRIVER = """
#include <stdio.h>
#include "percentile.h"
int main(void) {
  static uint32_t samples[10000];
  size_t count = 0;
  while (count < 10000 && scanf("%u", &samples[count]) == 1) count++;
  sort_samples(samples, count);
  printf("%u %u %u %u", percentile(samples, count, 500), percentile(samples, count, 900),
         percentile(samples, count, 990), percentile(samples, count, 1000));
}
"""
ANSWER_DRIVER = """
#include "answer.h"
#include <stdio.h>
int main(int count, char **arguments) {
  static char data[1 << 20];
  static struct answer answer;
  size_t size = fread(data, 1, sizeof data, stdin), step = (size_t)atoi(arguments[count - 1]);
  expect_answer(&answer);
  for (size_t at = 0; at < size; at += step) read_answer(&answer, data + at, size - at < step ? size - at : step);
  printf("%d %d %d %d %lu %lu", answer.reading, answer.status, answer.done, answer.closes,
         (unsigned long)answer.events, (unsigned long)answer.bytes);
}
"""
COMPLETE, BROKEN = 6, 7


@pytest.fixture(scope="module")
def percentiles(compiled):
    program = compiled("percentile_driver", PERCENTILE_DRIVER)

    def ask(samples):
        done = subprocess.run([program], input=" ".join(map(str, samples)), capture_output=True, text=True, check=True)
        return [int(word) for word in done.stdout.split()]

    return ask


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=500))
def test_a_percentile_is_the_smallest_sample_not_exceeded_by_enough_others(percentiles, samples):
    for per_mille, found in zip((500, 900, 990, 1000), percentiles(samples), strict=True):
        assert found in samples
        assert sum(sample <= found for sample in samples) * 1000 >= per_mille * len(samples)
        assert sum(sample < found for sample in samples) * 1000 < per_mille * len(samples)


def test_percentiles_of_nothing_are_zero(percentiles):
    assert percentiles([]) == [0, 0, 0, 0]


@pytest.fixture(scope="module")
def read(compiled):
    program = compiled("answer_driver", ANSWER_DRIVER)

    def ask(data, step):
        done = subprocess.run([program, str(step)], input=data, capture_output=True, check=True)
        return [int(word) for word in done.stdout.split()]

    return ask


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS = {
    "fixed": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", [COMPLETE, 200, 0, 0, 0, 5]),
    "empty, closing": (
        b"HTTP/1.1 402 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        [COMPLETE, 402, 0, 1, 0, 0],
    ),
    "events": (
        HEAD + b"9\r\ndata: a\n\n\r\n9\r\ndata: b\n\n\r\nE\r\ndata: [DONE]\n\n\r\n0\r\n\r\n",
        [COMPLETE, 200, 1, 0, 3, 32],
    ),
    "two events in a chunk": (HEAD + b"12\r\ndata: a\n\ndata: b\n\n\r\n0\r\n\r\n", [COMPLETE, 200, 0, 0, 2, 18]),
    "CRLF in events": (HEAD + b"10\r\ndata: [DONE]\r\n\r\n\r\n0\r\n\r\n", [COMPLETE, 200, 1, 0, 1, 16]),
    "done only in a longer line": (HEAD + b"f\r\ndata: [DONE]x\n\n\r\n0\r\n\r\n", [COMPLETE, 200, 0, 0, 1, 15]),
    "done only as text": (
        HEAD + b'16\r\ndata: {"data: [DONE]"}\n\r\n0\r\n\r\n'.replace(b"16", b"18"),
        [COMPLETE, 200, 0, 0, 0, 24],
    ),
    "trailer": (HEAD + b"1\r\nx\r\n0\r\nServer-Timing: a\r\n\r\n", [COMPLETE, 200, 0, 0, 0, 1]),
    "cut": (HEAD + b"9\r\ndata: a\n", [3, 200, 0, 0, 0, 8]),
    "not HTTP": (b"hello\r\n\r\n", [BROKEN, 0, 0, 0, 0, 0]),
    "no length": (b"HTTP/1.1 200 OK\r\n\r\n", [BROKEN, 200, 0, 0, 0, 0]),
    "more than it said": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", [BROKEN, 200, 0, 0, 0, 1]),
    "bad chunk size": (HEAD + b"zz\r\n", [BROKEN, 200, 0, 0, 0, 0]),
}


@pytest.mark.parametrize(("data", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_reads_the_same_however_it_is_cut(read, data, expected):
    for step in (1, 2, 3, 7, 16, len(data)):
        assert read(data, step) == expected, step


@pytest.fixture(scope="module")
def mock(programs):
    with mock_upstream(BEHAVIOURS, core=0, directory=programs) as mock:
        yield mock


@pytest.fixture
def load(programs, tmp_path):
    def run(row, shape, port):
        path = tmp_path / row
        write_request(ROWS[row], {}, path)
        return generate_load(path, shape, port=port, core=0, directory=programs)

    return run


def test_whole_answers_are_counted_and_timed(mock, load):
    report = load("plain", Shape(4, 10, calls=300), mock.port)
    assert (report.calls, report.started, report.errors, report.events) == (300, 300, {}, 0)
    assert 1000 <= report.bytes / 300 <= 1300
    assert 0 < report.latency_us.p50 <= report.latency_us.p90 <= report.latency_us.p99 <= report.latency_us.max
    assert report.connections_opened <= 4


@pytest.mark.parametrize(("row", "events"), [("burst", 40), ("paced", 8)])
def test_every_event_of_every_stream_arrives(mock, load, row, events):
    report = load(row, Shape(10, 10, calls=40, stream=True), mock.port)
    assert (report.calls, report.errors, report.events) == (40, {}, 40 * events)


def test_the_open_loop_keeps_its_schedule_on_as_many_connections_as_it_takes(mock, load):
    report = load("plain", Shape(20, 0.5, rate=200), mock.port)
    assert (report.calls, report.errors) == (100, {})
    assert report.seconds >= 0.49


def raw(port, *pieces, until_closed=False):
    """What comes back for these bytes, sent one piece after another."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            peer.sendall(piece)
        received = b""
        while until_closed or b"\r\n0\r\n\r\n" not in received:
            if not (data := peer.recv(65536)):
                break
            received += data
    return received


def call(model, *extra):
    body = b'{"model": "%s", "stream": true}' % model.encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\ncontent-length: %d\r\n%s\r\n" % (len(body), b"".join(extra))
        + body
    )


def test_a_stream_is_what_openai_sends(mock):
    text = raw(mock.port, call("mock-burst")).decode()
    events = re.findall(r"^data: (.*)$", text, re.MULTILINE)
    assert len(events) == 40
    assert '"role":"assistant"' in events[0]
    assert '"finish_reason":"stop"' in events[-3]
    assert '"usage":{"prompt_tokens":190,"completion_tokens":36,"total_tokens":226' in events[-2]
    assert events[-1] == "[DONE]"


def test_a_request_may_come_byte_by_byte(mock):
    request = call("mock-burst")
    assert raw(mock.port, *(request[at : at + 1] for at in range(len(request)))) == raw(mock.port, request)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (call("gpt-4"), b"404"),
        (b"POST / HTTP/1.1\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nContent-Length: 20000\r\n\r\n", b"413"),
        (b"x" * 16384, b"413"),
        (call("mock-plain") * 2, b"400"),
    ],
)
def test_what_the_mock_does_not_speak_it_refuses(mock, request_bytes, status):
    assert raw(mock.port, request_bytes, until_closed=True).split(b" ")[1] == status


def test_a_reader_slower_than_the_stream_gets_all_of_it(mock):
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", mock.port))
        peer.sendall(call("mock-huge"))
        tail, events = b"", 0
        while b"\r\n0\r\n\r\n" not in tail:
            data = peer.recv(8192)
            assert data
            events += data.count(b"data: ")
            tail = tail[-10:] + data
    assert 19_900 <= events <= 20_000  # a `data: ` may be cut in two between reads


@pytest.fixture
def scripted():
    """A server that answers the n-th connection's first request with the n-th script, then closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answers = []

        def serve():
            for answer in answers:
                peer, _ = listener.accept()
                with peer:
                    peer.recv(65536)
                    peer.sendall(answer)

        thread = threading.Thread(target=serve)

        def start(*scripts):
            answers.extend(scripts)
            thread.start()
            return listener.getsockname()[1]

        yield start
        thread.join(10)


DONE = b"E\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


def test_each_way_to_fail_is_told_apart_and_none_counts_as_a_call(load, scripted):
    port = scripted(
        HEAD + DONE,  # the one good answer
        b"HTTP/1.1 402 Payment Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        HEAD + b"0\r\n\r\n",  # whole, but without [DONE]
        HEAD + b"E\r\ndata: [DO",  # cut
        b"nonsense\r\n\r\n",
        b"",
    )
    report = load("burst", Shape(1, 10, calls=6, rate=50, stream=True), port)
    assert report.calls == 1
    assert report.errors == {"402": 1, "unfinished": 1, "closed": 2, "broken": 1}
    assert report.started == 6


def test_nobody_listens(load):
    with socket.socket() as held:  # bound, never listening: the port is nobody else's
        held.bind(("127.0.0.1", 0))
        report = load("plain", Shape(2, 5, calls=4), held.getsockname()[1])
    assert (report.calls, report.errors) == (0, {"connect": 4})


@pytest.mark.parametrize(
    "words",
    [
        ["--port", "80", "--request", "x", "--seconds", "601"],
        ["--port", "80", "--request", "x", "--seconds", "nan"],
        ["--port", "80", "--request", "x", "--calls", "99999999"],
        ["--port", "80", "--request", "x", "--connections", "0"],
        ["--port", "80", "--request", "x", "--address", "10.0.0.1"],
        ["--port", "80"],
    ],
)
def test_load_without_bounds_or_to_elsewhere_is_refused(programs, words):
    done = subprocess.run([programs / "load", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr
