"""Limits that outlive their process: every count is noted before anybody hears of it, and counted again by the next one.

So no organization gets a second burst because an arbiter died. Calls in flight are no part of it: their workers claim them.
"""

import msgspec
from typing_extensions import override

from puyun.arbiter.message import Configuration
from puyun.arbiter.remote.memory import Memory, State
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.limits.limits import Limits
from puyun.limits.passed import Passed
from puyun.limits.policy import Policy
from puyun.limits.reading import Over

SAVE_EVERY = 2 * SECOND
RECALL_FOR = 10 * SECOND
"""Workers come within two seconds, or claim nothing."""

LOG_MAX = 32 << 20
"""Bytes of log after which a state is saved however soon."""


class _Passed(msgspec.Struct, frozen=True, array_like=True, tag=1):
    at: int
    claim: Claim


class _Reclaimed(msgspec.Struct, frozen=True, array_like=True, tag=2):
    at: int
    claim: Claim
    counted: bool


class _Corrected(msgspec.Struct, frozen=True, array_like=True, tag=3):
    at: int
    ticket: int
    input: int
    output: int


class _Released(msgspec.Struct, frozen=True, array_like=True, tag=4):
    at: int
    ticket: int


class _Voided(msgspec.Struct, frozen=True, array_like=True, tag=5):
    at: int
    ticket: int


class _Knocked(msgspec.Struct, frozen=True, array_like=True, tag=6):
    at: int
    ip: str


_Note = _Passed | _Reclaimed | _Corrected | _Released | _Voided | _Knocked


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    """`claims`: of the calls that were open. They may be put right later, so the next one must know them until it has read
    the log.
    """

    at: int
    limits: bytes
    claims: list[Claim]
    configuration: Configuration | None


_notes = msgspec.msgpack.Decoder(list[_Note])
_saved = msgspec.msgpack.Decoder(_Saved)


class KeptLimits(Limits):
    """`flush` before answers leave. Time never goes back between two arbiters: the notes' own moments are used."""

    def __init__(self, memory: Memory, epoch: int) -> None:
        super().__init__(Policy())
        self._memory = memory
        self._epoch = epoch
        self._noted: list[_Note] = []
        self._open: dict[int, Claim] = {}
        self._configuration: Configuration | None = None
        self._due = Instant(0)
        self._recalled: dict[int, Claim] = {}
        """Calls that the arbiter before this one had let in: a worker reclaims them, or asks anew for those that waited."""
        self._forget = Instant(0)

    def recall(self, state: State, now: Instant) -> None:
        """Take up what the arbiter before this one has left; nothing if there was none."""
        if state.rest:
            saved = _saved.decode(state.rest)
            self.obey(saved.configuration, Instant(saved.at))
            self.restore(saved.limits, Instant(saved.at))
            for claim in saved.claims:
                super().reclaim(claim, Instant(saved.at))
                self._open[claim.ticket] = claim
        for body in self._memory.log():
            for note in _notes.decode(body):
                self._repeat(note)
        self._recalled = dict(self._open)
        self._forget = Instant(now + RECALL_FOR)
        for ticket in self._recalled:
            super().release(ticket, now)
        self._open.clear()
        self._noted.clear()
        self.save(now)

    def obey(self, configuration: Configuration | None, now: Instant) -> None:
        """Of the arbiter that was: its rules say what was counted where."""
        self._configuration = configuration
        if configuration is not None:
            rules = Policy(configuration.rules, configuration.models, revision=configuration.revision)
            super().configure(rules, now)

    def follow(self, configuration: Configuration, now: Instant) -> None:
        """These rules are in force now."""
        self._configuration = configuration
        self.save(now)

    def flush(self, now: Instant) -> None:
        """What was counted since is safe when this returns."""
        if self._noted:
            self._memory.note(msgspec.msgpack.encode(self._noted))
            self._noted.clear()
            if now >= self._due or self._memory.logged > LOG_MAX:
                self.save(now)

    def save(self, now: Instant) -> None:
        saved = _Saved(now, self.snapshot(now), list(self._open.values()), self._configuration)
        self._memory.save(self._epoch, msgspec.msgpack.encode(saved))
        self._noted.clear()
        self._due = Instant(now + SAVE_EVERY)
        if now >= self._forget:
            self._recalled.clear()

    def _repeat(self, note: _Note) -> None:
        at = Instant(note.at)
        match note:
            case _Passed():
                self.check(note.claim, at)
            case _Reclaimed():
                self.reclaim(note.claim, at, counted=note.counted)
            case _Corrected():
                self.correct(note.ticket, note.input, note.output, at)
            case _Released():
                self.release(note.ticket, at)
            case _Voided():
                self.void(note.ticket, at)
            case _Knocked():
                self.knock(note.ip, at)

    # --- noted -----------------------------------------------------------------------------------------------------
    @override
    def check(self, claim: Claim, now: Instant) -> Passed | Over:
        if claim.ticket in self._recalled:  # it had waited, and was counted then
            self.reclaim(self._recalled.pop(claim.ticket), now)
            self.void(claim.ticket, now)
        outcome = super().check(claim, now)
        if isinstance(outcome, Passed):
            self._open[claim.ticket] = claim
            self._noted.append(_Passed(now, claim))
        return outcome

    @override
    def reclaim(self, claim: Claim, now: Instant, *, counted: bool = True) -> None:
        if not counted and self._recalled.pop(claim.ticket, None) is not None:  # it waited when the worker let it in
            counted = True
        super().reclaim(claim, now, counted=counted)
        self._open[claim.ticket] = claim
        self._noted.append(_Reclaimed(now, claim, counted))

    @override
    def correct(self, ticket: int, input: int, output: int, now: Instant) -> None:
        super().correct(ticket, input, output, now)
        self._noted.append(_Corrected(now, ticket, input, output))

    @override
    def release(self, ticket: int, now: Instant) -> list[int]:
        self._open.pop(ticket, None)
        self._noted.append(_Released(now, ticket))
        return super().release(ticket, now)

    @override
    def void(self, ticket: int, now: Instant) -> list[int]:
        self._noted.append(_Voided(now, ticket))
        return super().void(ticket, now)

    @override
    def knock(self, ip: str, now: Instant) -> Over | None:
        over = super().knock(ip, now)
        if over is None:
            self._noted.append(_Knocked(now, ip))
        return over
