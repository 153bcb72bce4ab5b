"""Sending the mail that is due: a letter that is not taken waits longer each time, and is given up after a day; one that
the server refuses for good, at once.
"""

import asyncio
import logging
from email.message import EmailMessage

import aiosmtplib
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from puyun.config import Mail
from puyun.kit.clock import DAY, HOUR, MINUTE, Clock, Instant
from puyun.storage.engine import reading, writing
from puyun.storage.mail.post import Posted, due, failed, sent

SECONDS = 3.0
AT_A_TIME = 20
PATIENCE_SECONDS = 20.0
GIVEN_UP_AFTER = DAY
_LONGEST = 4 * HOUR
_PERMANENT = 500

log = logging.getLogger("puyun.mailing")


class Mailing:
    """For one process alone: two would send a letter twice."""

    def __init__(self, engine: Engine, clock: Clock, mail: Mail, *, patience: float = PATIENCE_SECONDS) -> None:
        self._engine = engine
        self._clock = clock
        self._mail = mail
        self._patience = patience

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(SECONDS)
            try:
                await self.once()
            except DBAPIError as error:
                log.warning("mail_not_read", extra={"error": str(error.orig)})

    async def once(self) -> int:
        """Try what is due; returns how many letters were taken. Raises DBAPIError."""
        letters = await asyncio.to_thread(self._due)
        return sum([await self._try(letter) for letter in letters])

    async def _try(self, posted: Posted) -> bool:
        try:
            async with asyncio.timeout(self._patience):
                await self._send(posted)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            problem = str(error) or type(error).__name__
            log.warning("mail_not_sent", extra={"letter": posted.id, "error": problem})
            await asyncio.to_thread(self._failed, posted, problem, for_good=refused_for_good(error))
            return False
        await asyncio.to_thread(self._sent, posted)
        return True

    async def _send(self, posted: Posted) -> None:
        letter, mail = posted.letter, self._mail
        message = EmailMessage()
        message["From"], message["To"] = mail.sender, letter.recipient
        message["Subject"], message["Content-Language"] = letter.subject, letter.language
        message.set_content(letter.body)
        await aiosmtplib.send(
            message,
            recipients=[letter.recipient],  # not what somebody's address looks like as a header
            hostname=mail.host,
            port=mail.port,
            username=mail.user or None,
            password=mail.password or None,
            use_tls=mail.tls == "tls",
            start_tls=mail.tls == "starttls",
            timeout=self._patience,
        )

    def _due(self) -> list[Posted]:
        with reading(self._engine) as connection:
            return due(connection, self._clock.now(), AT_A_TIME)

    def _sent(self, posted: Posted) -> None:
        with writing(self._engine) as connection:
            sent(connection, posted.id, self._clock.now())

    def _failed(self, posted: Posted, problem: str, *, for_good: bool) -> None:
        again_at = None if for_good else next_try(posted, self._clock.now())
        with writing(self._engine) as connection:
            failed(connection, posted.id, problem, again_at)


def refused_for_good(error: Exception) -> bool:
    """Whether it is about this letter, and the server says that it will say the same tomorrow (RFC 5321 4.2.1). A wrong
    password or sender is about our settings, which the operator may put right meanwhile.
    """
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(refused.code >= _PERMANENT for refused in error.recipients)
    return isinstance(error, aiosmtplib.SMTPDataError) and error.code >= _PERMANENT


def next_try(posted: Posted, now: Instant) -> Instant | None:
    """After a minute, then twice as long each time; None once a day is over."""
    if now - posted.posted_at >= GIVEN_UP_AFTER:
        return None
    return Instant(now + min(MINUTE << min(posted.tries, 16), _LONGEST))
