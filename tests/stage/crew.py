"""The processes of a server with several workers: who they are, and which of them a connection belongs to."""

import os
import signal
from pathlib import Path

from puyun.kit.ids import SLOTS, parse_request_id
from stage.dialogue import Dialogue, post
from stage.platform import Account, Platform
from stage.waiting import until

CHAT = "/v1/chat/completions"
SAYS = [{"role": "user", "content": "one two three"}]


def children(parent: int) -> dict[str, int]:
    """Pids by role: `arbiter`, `worker-1`, …"""
    found: dict[str, int] = {}
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        try:
            found[Path(f"/proc/{pid}/comm").read_text().strip().removeprefix("puyun ")] = int(pid)
        except OSError:
            continue
    return found


def ended(pid: int) -> bool:
    """Gone, or only waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class Crew:
    """A platform whose server has several workers."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def pid(self, role: str, *, not_this: int = 0) -> int:
        """Of the living process of that role; `not_this`: of its successor."""

        def found() -> int:
            pid = children(self.platform.server.pid).get(role, 0)
            return pid if pid != not_this and not ended(pid) else 0

        return until(found, f"{role} to live")

    def kill(self, role: str) -> int:
        """kill -9; the pid it had."""
        pid = self.pid(role)
        os.kill(pid, signal.SIGKILL)
        return pid

    def slots(self) -> dict[int, str]:
        """Which worker has which slot, by the lock file that it holds."""
        found: dict[int, str] = {}
        for role, pid in children(self.platform.server.pid).items():
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    path = descriptor.readlink()
                except OSError:
                    continue
                if path.suffix == ".lock" and path.parent.name == "owners":
                    found[int(path.stem)] = role
        return found

    def role_of(self, request_id: str) -> str:
        """The worker that served a call."""
        _, call = parse_request_id(request_id)
        return self.slots()[call >> 14 & SLOTS - 1]

    def dialogue_with(self, role: str, account: Account) -> Dialogue:
        """A connection that this worker has accepted."""
        for _ in range(200):
            dialogue = self.platform.dialogue()
            answer = dialogue.send(post(CHAT, {"model": "mock", "messages": SAYS}, account.key)).answer()
            assert answer.status == 200, answer.body
            if self.role_of(answer.headers["x-request-id"]) == role:
                return dialogue
            dialogue.socket.close()
        raise AssertionError(f"{role} accepts nothing")


def calling(model: str, user: str, **fields: object) -> dict[str, object]:
    """The body of a chat call."""
    return {"model": model, "messages": SAYS, "user": user} | fields
