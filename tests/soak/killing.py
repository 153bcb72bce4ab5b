"""Servers and top-ups on one database, killed by dice; the load and the eyes on the holds run in threads of their own."""

import asyncio
import random  # noqa: TID251 - seeded: the same dice, though not the same moments
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import msgspec
from stage.child import Child
from stage.load import Load
from stage.site import START, Site
from stage.verdict import Verdict, judge
from stage.waiting import until

RETURN_SECONDS = 60.0
"""DESIGN 5.6: within this a dead process's holds are back."""

TOP_UP = "1.00"
TOP_UP_NANO = 1_000_000_000
NOWHERE = 1
"""A port where nobody listens."""


@dataclass(frozen=True)
class Plan:
    kills: int
    seconds: float
    servers: int
    callers: int
    seed: int
    spared: float = 0.0
    """Seconds that the oldest server is left alive. On PostgreSQL a death is only seen by who has watched for a while, so
    where none lives that long no hold returns.
    """


@dataclass
class Summary:
    kills: int
    seconds: float
    calls: int
    records: int
    top_ups: int
    verdict: Verdict
    longest: float
    """Seconds that a hold outlived its process."""
    audit: str

    @property
    def faults(self) -> list[str]:
        late = [f"a hold outlived its process by {self.longest:.1f} s"] if self.longest > RETURN_SECONDS else []
        return self.verdict.faults + late + ([self.audit] if self.audit else [])

    def described(self) -> dict[str, Any]:
        verdict = self.verdict
        return {
            "kills": self.kills,
            "seconds": round(self.seconds),
            "calls": self.calls,
            "records": self.records,
            "completed": verdict.completed,
            "top_ups_killed": self.top_ups,
            "lost": len(verdict.lost),
            "wrong": len(verdict.wrong),
            "double": len(verdict.double),
            "leaked": len(verdict.leaked),
            "longest_hold_after_death_seconds": round(self.longest, 1),
            "faults": self.faults[:20],
        }


class Watch(threading.Thread):
    """Looks at the holds again and again: how long does one outlive its process?"""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self._site = site
        self._over = threading.Event()
        self.died_at: dict[int, float] = {}
        self.longest = 0.0

    def run(self) -> None:
        while not self._over.wait(0.1):
            dead = dict(self.died_at)
            for row in self._site.rows("SELECT DISTINCT owner FROM hold"):
                if row["owner"] in dead:
                    self.longest = max(self.longest, time.monotonic() - dead[row["owner"]])

    def end(self) -> None:
        self._over.set()
        self.join()


class Soak:
    def __init__(self, site: Site, plan: Plan) -> None:
        self._site = site
        self._plan = plan
        self._dice = random.Random(plan.seed)
        self._servers: dict[int, tuple[Child, int]] = {}
        """By owner row, oldest first."""
        self._born: dict[int, float] = {}
        self._watch = Watch(site)
        self._kills = 0
        self._top_ups = 0
        self._credited = 0

    def run(self) -> Summary:
        started = time.monotonic()
        load = Load(self._site.key, self._site.user, self._place, pause=0.05)
        calling = threading.Thread(target=lambda: asyncio.run(load.run(self._plan.callers)), daemon=True)
        self._start()
        self._watch.start()
        calling.start()
        while self._kills < self._plan.kills and time.monotonic() - started < self._plan.seconds:
            self._step()
        load.stopped = True
        calling.join()
        if not self._servers:
            self._start()
        until(lambda: not self._site.rows("SELECT * FROM hold"), "every hold to return", RETURN_SECONDS + 30)
        self._watch.end()
        until(lambda: self._site.mock.stats()["requests"] <= 1, "the mock upstream to be done")
        return self._summary(load, time.monotonic() - started)

    def _place(self) -> int | None:
        ports = [port for _, port in list(self._servers.values())]
        return self._dice.choice(ports) if ports else NOWHERE

    def _step(self) -> None:
        """Start one more, kill one, or kill a top-up; seldom all that run."""
        if len(self._servers) < self._plan.servers and (not self._servers or self._dice.random() < 0.6):
            self._start()
            return
        time.sleep(self._dice.random() * 0.8)
        throw = self._dice.random()
        if throw < 0.15:
            self._kill_top_up()
            return
        oldest, *others = self._servers
        spared = time.monotonic() - self._born[oldest] < self._plan.spared
        victims = others if spared else [oldest, *others]
        for owner in victims if throw < 0.2 else self._dice.sample(victims, min(len(victims), 1)):
            self._kill(owner)

    def _start(self) -> None:
        before = self._owners()
        child, port = self._site.serve()
        [(owner, _)] = self._owners() - before
        self._watch.died_at.pop(owner, None)  # a number without holds may be given again
        self._servers[owner] = child, port
        self._born[owner] = time.monotonic()

    def _owners(self) -> set[tuple[int, int]]:
        """Their rows: number, start."""
        return {(row["id"], row["started_at"]) for row in self._site.rows("SELECT id, started_at FROM owner")}

    def _kill(self, owner: int) -> None:
        child, _ = self._servers.pop(owner)
        child.kill()
        self._watch.died_at[owner] = time.monotonic()
        self._counted()

    def _kill_top_up(self) -> None:
        """Killed at any moment, then asked for again under its own id: credited once."""
        self._top_ups += 1
        arguments = ("topup", "acme", TOP_UP, "--id", f"soak-{self._top_ups}")
        child = self._site.command(*arguments)
        time.sleep(self._dice.random())
        child.kill()
        self._counted()
        for _ in range(2):
            self._site.run(*arguments)
        self._credited += TOP_UP_NANO

    def _counted(self) -> None:
        self._kills += 1
        if sys.stderr.isatty() or self._kills % 20 == 0:
            sys.stderr.write(f"{self._kills} kills\n")

    def _summary(self, load: Load, seconds: float) -> Summary:
        site = self._site
        entries = [msgspec.json.decode(line) for line in site.mock.journal_file.read_bytes().splitlines()]
        mine = [entry for entry in entries if entry["user"] == site.user]
        records = site.rows("SELECT * FROM usage_record WHERE org = ?", site.org)
        verdict = judge(load.heard, mine, records, site.wallet(), start=START + self._credited)
        try:
            site.run("audit")
            audit = ""
        except AssertionError as error:
            audit = str(error)
        return Summary(
            kills=self._kills,
            seconds=seconds,
            calls=len(load.heard),
            records=len(records),
            top_ups=self._top_ups,
            verdict=verdict,
            longest=self._watch.longest,
            audit=audit,
        )
