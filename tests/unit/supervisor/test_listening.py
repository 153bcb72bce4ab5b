import socket
import tempfile

import pytest

from puyun.supervisor import listening


def reaches(port: int, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_reserved_port_is_nobody_elses_and_not_open_before_a_worker_listens() -> None:
    reserved = listening.reserve("127.0.0.1", 0)
    port = reserved[0].getsockname()[1]
    assert not reaches(port)
    workers = [listening.open_shared(reserved) for _ in range(2)]
    for [place] in workers:
        place.listen()
    with pytest.raises(OSError, match="in use"):
        listening.reserve("127.0.0.1", port)
    assert reaches(port)
    listening.release(workers[0])
    assert reaches(port)
    listening.release(workers[1])
    assert not reaches(port)
    listening.release([*listening.open_shared(reserved), *reserved])


def test_connections_are_spread_over_all_who_listen() -> None:
    reserved = listening.reserve("127.0.0.1", 0)
    address = reserved[0].getsockname()
    first, second = (listening.open_shared(reserved)[0] for _ in range(2))
    for place in (first, second):
        place.listen(200)
        place.setblocking(False)
    clients = [socket.create_connection(address) for _ in range(100)]

    def accepted(place: socket.socket) -> int:
        count = 0
        while True:
            try:
                place.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1

    counts = accepted(first), accepted(second)
    assert sum(counts) == 100
    assert min(counts) > 10
    listening.release([*clients, first, second, *reserved])


def test_every_address_of_a_name_gets_the_same_port() -> None:
    reserved = listening.reserve("localhost", 0)
    assert len({place.getsockname()[1] for place in reserved}) == 1
    listening.release(reserved)


def test_a_name_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(socket.gaierror):
        listening.reserve("no-such-host.invalid", 0)


def test_who_connects_early_waits_for_whoever_accepts() -> None:
    with tempfile.TemporaryDirectory() as folder:
        listener = listening.listen_locally(f"{folder}/socket")
        early = socket.socket(socket.AF_UNIX)
        early.connect(f"{folder}/socket")
        early.send(b"hello")
        accepted, _ = listener.accept()
        assert accepted.recv(5) == b"hello"
        listening.release([early, accepted, listener])
