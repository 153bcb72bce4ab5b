"""Clients that take nothing: who is given up, and who is only slow."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from puyun.jobs.stalls import Stalls


class Transport:
    """As much of one as is looked at."""

    def __init__(self) -> None:
        self.waiting = 0
        self.aborted = False

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.aborted = True


@dataclass(eq=False)
class Client:
    transport: Any = field(default_factory=Transport)


@pytest.mark.parametrize(
    ("waiting", "aborted"),
    [
        ([100, 100, 100, 100], True),
        ([100, 200, 300, 300], True),
        ([100, 99, 98, 97], False),
        ([100, 100, 50, 50], False),
        ([100, 100, 0, 100], False),
        ([0, 0, 0, 0], False),
    ],
    ids=["takes nothing", "takes nothing and is sent more", "slow", "paused", "took all", "nothing to take"],
)
def test_who_is_given_up_after_two_seconds(waiting: list[int], aborted: bool) -> None:
    client = Client()
    stalls = Stalls(2)
    for second, size in enumerate(waiting):
        client.transport.waiting = size
        stalls.sweep([client], second)
    assert client.transport.aborted == aborted


def test_nothing_is_kept_of_connections_that_are_gone() -> None:
    stalls = Stalls(2)
    client = Client()
    client.transport.waiting = 1
    stalls.sweep([client], 0)
    stalls.sweep([], 1)
    assert stalls._seen == {}
