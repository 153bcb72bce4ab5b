"""The mock upstream as a child, and what it knows."""

import json
import re
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stage.child import Child
from stage.waiting import until

SECRET = "sk-operator-secret-5f3759df"
"""The operator's credential at the upstream. No customer may ever see it."""


class MockUpstream:
    def __init__(self, folder: Path, port: int = 0) -> None:
        self.journal_file = folder / "upstream.jsonl"
        arguments = ["-m", "puyun", "mock-upstream", "--port", str(port), "--journal", str(self.journal_file)]
        self.child = Child("mock-upstream", arguments, folder=folder)
        found = re.search(r"http://[0-9.]+:([0-9]+)/v1", self.child.wait_for("mock upstream on"))
        assert found
        self.base_url, self.port = found[0], int(found[1])

    def stats(self) -> dict[str, int]:
        return self._get("/stats")

    def asked(self, user: str) -> list[dict[str, Any]]:
        """Requests of one `user` in order: `entry`, `headers`, `body`."""
        return self._get(f"/journal?user={quote(user)}")

    def open_gate(self, user: str) -> None:
        """Let the requests of one user to the models called gate be answered."""
        self._get(f"/open?user={quote(user)}")

    def queue(self, waiting: int) -> None:
        """Say from now on that so many calls wait in its own queue; returns once this was heard twice."""
        self._get(f"/queue?waiting={waiting}")
        before = self.stats()["looks"]
        until(lambda: self.stats()["looks"] > before + 2, "somebody to ask how full it is")

    def ended(self, user: str, count: int = 1) -> list[dict[str, Any]]:
        """The entries of `count` requests of one user, once all of them have ended."""

        def found() -> list[dict[str, Any]]:
            entries = [asked["entry"] for asked in self.asked(user)]
            return entries if len(entries) >= count and all(entry["ended"] for entry in entries) else []

        return until(found, f"{count} requests of {user} to end upstream")

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.base_url.removesuffix("/v1") + path, timeout=10) as answer:
            return json.load(answer)
